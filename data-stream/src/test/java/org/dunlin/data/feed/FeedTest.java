package org.dunlin.data.feed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.SinkQueueWithCancel;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.OptimizerSpec.Schedule;
import org.dunlin.protocol.run.RunSpec;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * From JSONL to steps: complete, equal twice, never far ahead of the consumer, honest in failure.
 */
class FeedTest {
  private static final int ROWS = 203;
  private static final BatchSpec FIXED = batch(8, 0, 3, 5);
  private static final BatchSpec BUDGET = batch(16, 400, 3, 5);

  @TempDir static Path folder;
  private static ActorSystem system;
  private static Tokenizer tokenizer;
  private static SampleFiles samples;

  @BeforeAll
  static void open() throws IOException {
    system = ActorSystem.create("feed");
    tokenizer = Tokenizer.open(Path.of(System.getProperty("dunlin.fixtures"), "model"));
    Random random = new Random(5);
    List<String> lines = IntStream.range(0, ROWS).mapToObj(row -> line(row, random)).toList();
    samples = SampleFiles.open(List.of(Files.write(folder.resolve("train.jsonl"), lines)));
  }

  @AfterAll
  static void close() throws Exception {
    samples.close();
    tokenizer.close();
    system.terminate();
    system.getWhenTerminated().toCompletableFuture().get(20, TimeUnit.SECONDS);
  }

  @Test
  void shouldUseEveryRowOnceAnEpoch() throws Exception {
    for (BatchSpec batch : List.of(FIXED, BUDGET)) {
      long steps = Feed.steps(samples, tokenizer, batch, DataSpec.PLAIN, 9, 2);
      List<StepBatch> stream = collect(run(9, steps, batch));
      assertThat(stream).hasSize((int) steps);
      Map<Integer, List<Long>> used = new HashMap<>();
      for (int step = 0; step < steps; step++) {
        StepHeader header = stream.get(step).header();
        assertThat(header.step()).isEqualTo(step);
        Arrays.stream(header.sampleIds())
            .forEach(id -> used.computeIfAbsent(header.epoch(), e -> new ArrayList<>()).add(id));
      }
      assertThat(used).containsOnlyKeys(0, 1);
      assertThat(used.values())
          .allSatisfy(
              ids ->
                  assertThat(ids)
                      .containsExactlyInAnyOrderElementsOf(
                          LongStream.range(0, ROWS).boxed().toList()));
      assertThat(used.get(0)).isNotEqualTo(used.get(1));
    }
  }

  @Test
  void shouldPlanTheSamplesThatItFeeds() throws Exception {
    for (BatchSpec batch : List.of(FIXED, BUDGET)) {
      RunSpec spec = run(9, Feed.steps(samples, tokenizer, batch, DataSpec.PLAIN, 9, 2), batch);
      try (PlannedSteps planned = new PlannedSteps(samples, tokenizer, spec)) {
        for (StepBatch step : collect(spec)) {
          PlannedStep same = planned.next();
          assertThat(same.sampleIds()).containsExactly(step.header().sampleIds());
          assertThat(same.epoch()).isEqualTo(step.header().epoch());
        }
        assertThat(planned.next().epoch()).isEqualTo(2); // it goes on
      }
    }
  }

  /** 203 rows are 25 batches of 8 and one of 3: eight steps of three batches, and two batches. */
  @Test
  void shouldGatherSeveralBatchesInAStep() throws Exception {
    BatchSpec three = new BatchSpec(8, 0, 3, 8, 256, 5, 24, 48, 1, 3, 0, List.of());
    assertThat(Feed.steps(samples, tokenizer, three, DataSpec.PLAIN, 9, 1)).isEqualTo(9);
    assertThat(Feed.steps(samples, tokenizer, three, DataSpec.PLAIN, 9, 1.5)).isEqualTo(14);
    List<StepHeader> headers = collect(run(9, 18, three)).stream().map(StepBatch::header).toList();
    for (int epoch = 0; epoch < 2; epoch++) {
      List<StepHeader> own = headers.subList(9 * epoch, 9 * epoch + 9);
      int number = epoch;
      assertThat(own).allMatch(header -> header.epoch() == number);
      assertThat(own.stream().flatMapToLong(header -> Arrays.stream(header.sampleIds())).sorted())
          .containsExactlyElementsOf(LongStream.range(0, ROWS).boxed().toList());
      assertThat(own.stream().filter(header -> header.pools() == 3))
          .hasSize(8)
          .allSatisfy(
              header -> assertThat(header.firstQueryOfPool()).containsExactly(0, 8, 16, 24));
      assertThat(own.stream().filter(header -> header.pools() != 3))
          .singleElement()
          .satisfies(header -> assertThat(header.firstQueryOfPool()).containsExactly(0, 8, 11));
    }
  }

  @Test
  void shouldAgreeOnStepsWhereBatchesAreClosedByTheirTokens() throws Exception {
    BatchSpec spec = new BatchSpec(16, 400, 3, 8, 256, 5, 24, 48, 1, 3, 0, List.of());
    long steps = Feed.steps(samples, tokenizer, spec, DataSpec.PLAIN, 9, 1);
    List<StepBatch> stream = collect(run(9, steps + 1, spec));
    assertThat(stream.stream().filter(step -> step.header().epoch() == 0)).hasSize((int) steps);
    assertThat(stream.getLast().header().epoch()).isEqualTo(1);
    for (StepBatch step : stream) {
      StepHeader header = step.header();
      long[] tokens = new long[header.pools()];
      for (SlotBatch slot : step.slots()) {
        for (int row = 0; row < slot.tokenIds().length; row++) {
          int query = row < slot.queries() ? row : (row - slot.queries()) / slot.groupSize();
          tokens[header.poolOf(slot.firstQuery() + query)] += slot.tokenIds()[row].length;
        }
      }
      assertThat(Arrays.stream(tokens)).allMatch(sum -> sum > 0 && sum <= 400);
    }
  }

  @Test
  void shouldKeepMicroBatchesToTheirRows() throws Exception {
    BatchSpec spec = new BatchSpec(64, 0, 3, 8, 4096, 5, 24, 48, 1, 1, 5, List.of());
    List<int[]> microBatches =
        collect(run(9, 2, spec)).stream()
            .flatMap(step -> step.slots().stream())
            .flatMap(slot -> Arrays.stream(slot.microBatches()))
            .toList();
    assertThat(microBatches).allMatch(rows -> rows.length <= 5);
    assertThat(microBatches).anyMatch(rows -> rows.length == 5);
  }

  @Test
  void shouldFillSlotsWithTheTokensOfTheirSamples() throws Exception {
    for (StepBatch step : collect(run(1, 60, BUDGET))) {
      StepHeader header = step.header();
      long tokens = 0;
      long places = 0;
      int query = 0;
      for (SlotBatch slot : step.slots()) {
        assertThat(slot.step()).isEqualTo(header.step());
        assertThat(slot.firstQuery()).isEqualTo(header.firstQuery()[slot.slot()]).isEqualTo(query);
        for (int own = 0; own < slot.queries(); own++, query++) {
          assertSample(header, slot, own);
        }
        tokens += Arrays.stream(slot.tokenIds()).mapToLong(row -> row.length).sum();
        for (int number = 0; number < slot.microBatches().length; number++) {
          int size = slot.microBatches()[number].length * slot.paddedTokens(number);
          assertThat(size).isLessThanOrEqualTo(BUDGET.microBatchTokens());
          places += size;
        }
      }
      assertThat(query).isEqualTo(header.queries());
      assertThat(header.tokens()).isEqualTo(tokens).isLessThanOrEqualTo(BUDGET.tokens());
      assertThat(header.paddedTokens()).isBetween(tokens, places);
    }
  }

  @Test
  void shouldGiveEqualStreamsForEqualRuns() throws Exception {
    List<String> once = collect(run(3, 70, FIXED)).stream().map(FeedTest::content).toList();
    assertThat(collect(run(3, 70, FIXED)).stream().map(FeedTest::content).toList()).isEqualTo(once);
    assertThat(content(collect(run(4, 1, FIXED)).get(0))).isNotEqualTo(once.get(0));
  }

  @Test
  void shouldReadAtMostOneWindowAhead() throws Exception {
    try (SampleFiles own = SampleFiles.open(List.of(folder.resolve("train.jsonl")))) {
      SinkQueueWithCancel<StepBatch> queue =
          Feed.batches(own, tokenizer, run(1, 1000, FIXED))
              .runWith(
                  Sink.<StepBatch>queue(1).withAttributes(Attributes.inputBuffer(1, 1)), system);
      long used = 0;
      for (int step = 0; step < 60; step++) {
        used += next(queue).header().queries();
        // The sink holds one batch and asks for another, which may be the next window's first.
        assertThat(own.rowsRead()).isLessThanOrEqualTo(endOfWindowAfter(used + 2L * FIXED.pairs()));
        await(own, endOfWindowAfter(used));
      }
      queue.cancel();
    }
  }

  /** Rows up to the end of the window that follows the one in which this many rows end. */
  private static long endOfWindowAfter(long rows) {
    int window = FIXED.pairs() * FIXED.sortWindowBatches();
    long end = 0;
    for (int after = 0; after < 2; ) {
      end += Math.min(window, ROWS - end % ROWS);
      after += end >= rows ? 1 : 0;
    }
    return end;
  }

  @Test
  void shouldFindTheLongestTextThatARunMayMeet() throws Exception {
    String words = "a quick brown fox ";
    List<String> lines =
        List.of(
            "{\"query\": \"a\", \"pos\": [\"a\", \"" + words + "\"], \"neg\": [\"a\"]}",
            "{\"query\": \"a\", \"pos\": [\"a\"], \"neg\": [\"" + words.repeat(3) + "\"]}");
    Path file = Files.write(folder.resolve("longest.jsonl"), lines);
    int once = tokenizer.encode(words, 1000).length;
    int thrice = tokenizer.encode(words.repeat(3), 1000).length;
    try (SampleFiles own = SampleFiles.open(List.of(file))) {
      assertThat(Feed.longestText(own, tokenizer, run(1, 1, longest(1, 128, 1)))).isEqualTo(once);
      assertThat(Feed.longestText(own, tokenizer, run(1, 1, longest(2, 128, 1)))).isEqualTo(thrice);
      assertThat(Feed.longestText(own, tokenizer, run(1, 1, longest(2, once, 1)))).isEqualTo(once);
      assertThat(Feed.longestText(own, tokenizer, run(1, 1, longest(1, 128, 64)))).isEqualTo(64);
    }
  }

  private static BatchSpec longest(int groupSize, int passageTokens, int padMultiple) {
    return new BatchSpec(2, 0, groupSize, 8, 1000, 1, 8, passageTokens, padMultiple);
  }

  @Test
  void shouldCountStepsOfFractionsOfAnEpoch() {
    long whole = 26; // ceil(203 / 8)
    assertThat(Feed.steps(samples, tokenizer, FIXED, DataSpec.PLAIN, 1, 1)).isEqualTo(whole);
    assertThat(Feed.steps(samples, tokenizer, FIXED, DataSpec.PLAIN, 1, 2.5))
        .isEqualTo(2 * whole + 13);
    assertThat(Feed.steps(samples, tokenizer, FIXED, DataSpec.PLAIN, 1, 0.1)).isEqualTo(3);
    assertThat(Feed.steps(samples, tokenizer, FIXED, DataSpec.PLAIN, 1, 1e-9)).isEqualTo(1);
    long budget = Feed.steps(samples, tokenizer, BUDGET, DataSpec.PLAIN, 1, 1);
    assertThat(Feed.steps(samples, tokenizer, BUDGET, DataSpec.PLAIN, 1, 0.5))
        .isEqualTo((budget + 1) / 2);
    assertThatThrownBy(() -> Feed.steps(samples, tokenizer, FIXED, DataSpec.PLAIN, 1, 0))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void shouldFailTheStreamWithWhatAPersonMustMend() throws Exception {
    assertFails(samples, batch(16, 20, 3, 5), "batch.tokens: 20 is too small a budget");
    assertThatThrownBy(
            () -> Feed.steps(samples, tokenizer, batch(16, 20, 3, 5), DataSpec.PLAIN, 1, 1))
        .isInstanceOf(Refusal.class);
    assertFails(
        samples, new BatchSpec(8, 0, 3, 8, 20, 5, 24, 48, 1), "micro-batch.tokens: 20 (expected");
    Path bare = Files.writeString(folder.resolve("bare.json"), "{\"query\":\"a\",\"pos\":[\"b\"]}");
    try (SampleFiles own = SampleFiles.open(List.of(bare))) {
      assertFails(own, FIXED, bare + ": line 1: no neg");
      Files.writeString(bare, "");
      assertFails(own, batch(8, 0, 1, 5), bare + ": changed while it was used");
    }
  }

  private static void assertFails(SampleFiles own, BatchSpec batch, String sentence) {
    assertThatThrownBy(
            () ->
                Feed.batches(own, tokenizer, run(1, 20, batch))
                    .runWith(Sink.seq(), system)
                    .toCompletableFuture()
                    .get(20, TimeUnit.SECONDS))
        .cause()
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(sentence);
  }

  /** The row's texts are "query R ...", "good R P ..." and "bad R N ...": find them again. */
  private static void assertSample(StepHeader header, SlotBatch slot, int own) {
    int query = slot.firstQuery() + own;
    var sample = samples.read(header.sampleIds()[query]);
    assertThat(slot.tokenIds()[own])
        .isEqualTo(tokenizer.encode(sample.query(), BUDGET.queryMaxTokens()));
    for (int passage = 0; passage < header.groupSize(); passage++) {
      int[] row = slot.tokenIds()[slot.queries() + own * header.groupSize() + passage];
      List<String> texts = passage == 0 ? sample.positives() : sample.negatives();
      assertThat(texts)
          .anySatisfy(
              text -> assertThat(tokenizer.encode(text, BUDGET.passageMaxTokens())).isEqualTo(row));
    }
  }

  /** All of a step, to compare: records with arrays have no equality of values. */
  private static String content(StepBatch step) {
    StepHeader header = step.header();
    StringBuilder content = new StringBuilder();
    content.append(header.step()).append(' ').append(header.epoch());
    content.append(Arrays.toString(header.firstQuery()));
    content.append(Arrays.toString(header.sampleIds()));
    content.append(Arrays.toString(header.passageHashes()));
    content.append(header.tokens()).append(' ').append(header.paddedTokens());
    for (SlotBatch slot : step.slots()) {
      content.append(slot.step()).append(' ').append(slot.slot()).append(slot.firstQuery());
      content.append(Arrays.deepToString(slot.tokenIds()));
      content.append(Arrays.deepToString(slot.microBatches()));
    }
    return content.toString();
  }

  private static List<StepBatch> collect(RunSpec spec) throws Exception {
    return Feed.batches(samples, tokenizer, spec)
        .runWith(Sink.seq(), system)
        .toCompletableFuture()
        .get(60, TimeUnit.SECONDS);
  }

  private static StepBatch next(SinkQueueWithCancel<StepBatch> queue) throws Exception {
    return queue.pull().toCompletableFuture().get(20, TimeUnit.SECONDS).orElseThrow();
  }

  /** Until the reader has done all that it may, or more. */
  private static void await(SampleFiles own, long rows) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (own.rowsRead() < rows && System.nanoTime() < deadline) {
      Thread.onSpinWait();
    }
    assertThat(own.rowsRead()).isGreaterThanOrEqualTo(rows);
  }

  private static String line(int row, Random random) {
    return "{\"query\":\"query %d %s\",\"pos\":[\"good %d 0 %s\",\"good %d 1 %s\"],\"neg\":[\"bad %d 0 %s\",\"bad %d 1 %s\",\"bad %d 2 %s\"]}"
        .formatted(
            row,
            words(random, 8),
            row,
            words(random, 60),
            row,
            words(random, 60),
            row,
            words(random, 60),
            row,
            words(random, 60),
            row,
            words(random, 60));
  }

  private static String words(Random random, int most) {
    return "return the value ".repeat(random.nextInt(most) / 3);
  }

  private static BatchSpec batch(int pairs, long tokens, int groupSize, int sortWindow) {
    return new BatchSpec(pairs, tokens, groupSize, 8, 256, sortWindow, 24, 48, 1);
  }

  private static RunSpec run(long seed, long steps, BatchSpec batch) {
    return new RunSpec(
        "feed",
        seed,
        steps,
        new EncoderSpec(Family.XLM_ROBERTA, 1500, 130, 1, 64, 2, 4, 128, 1e-5, 1, 0, 0),
        "",
        samples.sha256(),
        batch,
        LossSpec.contrastive(Pooling.CLS, true, 0.02, true),
        new OptimizerSpec(1e-3, Schedule.CONSTANT, 0, 0, 0.9, 0.999, 1e-8, 1));
  }
}
