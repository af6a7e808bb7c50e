package org.dunlin.data.feed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.stream.javadsl.Sink;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Sha256;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.DataSpec.ByLength;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a file's name and rows say reaches the step: its flag, its group, the teacher's scores. */
class SourcesFeedTest {
  private static final Path MODEL = Path.of(System.getProperty("dunlin.fixtures"), "model");
  private static final BatchSpec BATCH = new BatchSpec(8, 0, 4, 8, 4096, 3, 24, 48, 1);
  private static final int EPOCHS = 2;

  @TempDir Path folder;

  private final Map<Long, Float> scores = new HashMap<>(); // by a passage's hash

  @Test
  void shouldGiveEachStepOneSourceWithItsOwnGroupFlagAndScores() throws Exception {
    write("a.jsonl", 29, "\"type\": \"normal\"", true);
    write("b_no_in_batch_neg.jsonl", 21, "\"type\": \"only_1neg\"", true);
    write("c.jsonl", 10, "\"batch_size\": 5", false);
    List<StepHeader> steps = steps();
    assertThat(steps).hasSize(EPOCHS * (4 + 3 + 2));
    Map<Integer, List<Long>> used = new HashMap<>();
    for (StepHeader step : steps) {
      long[] ids = step.sampleIds();
      int source = ids[0] < 29 ? 0 : ids[0] < 50 ? 1 : 2;
      assertThat(LongStream.of(ids).allMatch(id -> (id < 29 ? 0 : id < 50 ? 1 : 2) == source))
          .isTrue();
      assertThat(step.groupSize()).isEqualTo(source == 1 ? 2 : 4);
      assertThat(step.inBatchNegatives()).isEqualTo(source != 1);
      assertThat(ids.length).isLessThanOrEqualTo(source == 2 ? 5 : 8);
      if (source == 2) {
        assertThat(step.teacherScores()).isEmpty();
      } else {
        assertScores(step);
      }
      LongStream.of(ids)
          .forEach(id -> used.computeIfAbsent(step.epoch(), e -> new ArrayList<>()).add(id));
    }
    assertThat(used).hasSize(EPOCHS);
    assertThat(used.values())
        .allSatisfy(
            ids ->
                assertThat(ids)
                    .containsExactlyInAnyOrderElementsOf(LongStream.range(0, 60).boxed().toList()));
  }

  private void assertScores(StepHeader step) {
    assertThat(step.teacherScores()).hasSize(step.passages());
    for (int passage = 0; passage < step.passages(); passage++) {
      assertThat(step.teacherScores()[passage])
          .isEqualTo(scores.get(step.passageHashes()[passage]), within(0f));
    }
  }

  private List<StepHeader> steps() throws Exception {
    ActorSystem system = ActorSystem.create("sources");
    DataSpec data =
        new DataSpec(true, 0, 0, 1000, 0, DataSpec.Texts.BARE, true, 1, ByLength.NONE, false);
    try (ModelFolder model = ModelFolder.open(MODEL);
        Tokenizer tokenizer = Tokenizer.open(MODEL);
        SampleFiles samples = SampleFiles.open(List.of(folder))) {
      long steps = Feed.steps(samples, tokenizer, BATCH, data, 3, EPOCHS);
      RunSpec spec =
          new RunSpec(
              "t",
              3,
              steps,
              model.encoder(),
              HeadSpec.DENSE,
              "w",
              "d",
              data,
              BATCH,
              LossSpec.contrastive(LossSpec.Pooling.CLS, true, 0.02, false),
              new OptimizerSpec(1e-3, OptimizerSpec.Schedule.CONSTANT, 0, 0, 0.9, 0.999, 1e-8, 1),
              ComputeSpec.PLAIN);
      return Feed.batches(samples, tokenizer, spec)
          .map(StepBatch::header)
          .runWith(Sink.seq(), system)
          .toCompletableFuture()
          .get(20, TimeUnit.SECONDS);
    } finally {
      system.terminate();
      system.getWhenTerminated().toCompletableFuture().get(20, TimeUnit.SECONDS);
    }
  }

  private void write(String name, int rows, String keys, boolean scored) throws Exception {
    StringBuilder lines = new StringBuilder();
    for (int row = 0; row < rows; row++) {
      List<String> positives = texts(name + " good " + row, 3);
      List<String> negatives = texts(name + " bad " + row, 1 + row % 6);
      lines.append(
          "{\"query\": \"q %d\", \"pos\": [%s], \"neg\": [%s], %s%s}%n"
              .formatted(
                  row,
                  quoted(positives),
                  quoted(negatives),
                  keys,
                  scored
                      ? ", \"pos_scores\": %s, \"neg_scores\": %s"
                          .formatted(scores(positives), scores(negatives))
                      : ""));
    }
    Files.writeString(folder.resolve(name), lines);
  }

  private static List<String> texts(String start, int count) {
    List<String> texts = new ArrayList<>();
    for (int text = 0; text < count; text++) {
      texts.add(start + " " + text);
    }
    return texts;
  }

  private static String quoted(List<String> texts) {
    return String.join(", ", texts.stream().map(text -> '"' + text + '"').toList());
  }

  private List<Float> scores(List<String> texts) {
    List<Float> own = new ArrayList<>();
    for (String text : texts) {
      byte[] digest = Sha256.digest().digest(text.getBytes(StandardCharsets.UTF_8));
      own.add(scores.size() * 0.25f - 7);
      scores.put(ByteBuffer.wrap(digest).getLong(), own.get(own.size() - 1));
    }
    return own;
  }
}
