package org.dunlin.worker.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Distillation;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.Torch;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Slot by slot and tile by tile, the loss and its gradients are those of the plain formula over the
 * whole step: at awkward sizes, with uneven texts, slots (an empty one too) and pools.
 */
class SlotLossTest {
  private static final int HIDDEN = 24;
  private static final int VECTOR = 8;
  private static final int VOCABULARY = 60;
  private static final int LONGEST = 24;
  private static final int SLOTS = 4;

  /** Enough for float32 sums of this length; a wrong term is off by far more. */
  private static final double TOLERANCE = 2e-6;

  private static final ComputeThreads THREADS = new ComputeThreads(2);

  @AfterAll
  static void close() {
    THREADS.close();
  }

  enum Heads {
    DENSE,
    MATRYOSHKA,
    UNIFIED,
    SELF_DISTILLED,
    PADS_IN_MAX_SIM
  }

  /**
   * A kind of step.
   *
   * @param pools of which it has so many at most
   */
  record Case(
      int queries,
      int group,
      int pools,
      Heads heads,
      Distillation distillation,
      boolean inBatch,
      boolean masks) {
    boolean unified() {
      return heads != Heads.DENSE && heads != Heads.MATRYOSHKA;
    }
  }

  static Stream<Case> cases() {
    List<Case> cases = new ArrayList<>();
    for (int queries : List.of(1, 13)) {
      for (Heads heads : Heads.values()) {
        for (Distillation distillation : Distillation.values()) {
          for (boolean inBatch : List.of(true, false)) {
            for (boolean masks : List.of(true, false)) {
              int odd = cases.size() % 3;
              cases.add(new Case(queries, 2 + odd, 1 + odd, heads, distillation, inBatch, masks));
            }
          }
        }
      }
    }
    // Several tiles a slot, and several blocks of token vectors.
    for (Heads heads : Heads.values()) {
      for (Distillation distillation : Distillation.values()) {
        if (heads == Heads.UNIFIED && distillation != Distillation.M3_KD_LOSS) {
          continue; // the plain formulas of token vectors take seconds
        }
        int odd = cases.size();
        boolean masks = odd % 4 < 2;
        cases.add(new Case(207, 3, 1 + odd % 3, heads, distillation, odd % 5 > 0, masks));
      }
    }
    cases.add(new Case(207, 3, 1, Heads.SELF_DISTILLED, Distillation.NONE, true, true));
    // No hard negatives; and more passages than one product takes.
    cases.add(new Case(13, 1, 2, Heads.UNIFIED, Distillation.NONE, true, true));
    cases.add(new Case(13, 1, 2, Heads.SELF_DISTILLED, Distillation.KL_DIV, false, false));
    cases.add(new Case(258, 16, 1, Heads.DENSE, Distillation.NONE, true, false));
    return cases.stream();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void shouldGiveThePlainFormulasLossAndGradients(Case kind) {
    // Of its text: enums hash otherwise in each process.
    SplittableRandom random = new SplittableRandom(kind.toString().hashCode());
    RunSpec spec = spec(kind);
    int[] queryTokens = lengths(random, kind.queries());
    int[] passageTokens = lengths(random, kind.queries() * kind.group());
    StepHeader header = header(kind, random, passageTokens);
    Embeddings queries = filled(random, embeddings(spec, queryTokens));
    Embeddings passages = filled(random, embeddings(spec, passageTokens));
    PlainLoss plain = new PlainLoss(spec, header, queries, passages);
    Embeddings ofQueries = embeddings(spec, queryTokens);
    try (NDManager manager = Torch.newManager()) {
      SlotLoss loss = new SlotLoss(manager, spec, Optional.empty());
      SlotLoss.Passages all = passages(manager, passages);
      List<SlotBatch> slots = slots(header);
      List<SlotLoss.Part> parts =
          THREADS.run(
              "loss",
              slots.stream()
                  .<ComputeThreads.Work<SlotLoss.Part>>map(
                      slot -> {
                        int end = slot.firstQuery() + slot.queries();
                        return module ->
                            loss.of(
                                module,
                                manager,
                                header,
                                slot,
                                queries.from(slot.firstQuery(), end),
                                all,
                                ofQueries.from(slot.firstQuery(), end));
                      })
                  .toList());
      assertThat(parts.stream().mapToDouble(SlotLoss.Part::loss).sum())
          .isCloseTo(plain.loss(), within(TOLERANCE * Math.max(1, plain.loss())));
      assertClose("queries' dense", ofQueries.dense(), plain.ofQueries().dense(), 0);
      assertClose("queries' weights", ofQueries.weights(), plain.ofQueries().weights(), 0);
      assertClose(
          "queries' vectors", ofQueries.vectors(), plain.ofQueries().vectors(), plain.ties());
      List<FloatBuffer> sums =
          parts.stream()
              .map(SlotLoss.Part::passages)
              .reduce(PassageGradients::add)
              .orElseThrow()
              .values();
      assertThat(sums).hasSize(kind.unified() ? 3 : 1);
      assertClose("passages' dense", sums.get(0), plain.ofPassages().dense(), 0);
      if (kind.unified()) {
        assertClose("passages' weights", sums.get(1), plain.ofPassages().weights(), 0);
        assertClose("passages' vectors", sums.get(2), plain.ofPassages().vectors(), plain.ties());
      }
    }
  }

  /** Relative to the largest element, so that a wrong one cannot hide among many. */
  private static void assertClose(String what, FloatBuffer found, double[] expected, double slack) {
    double scale = Arrays.stream(expected).map(Math::abs).max().orElse(0);
    assertThat(found.capacity()).as(what).isEqualTo(expected.length);
    double worst = 0;
    for (int i = 0; i < expected.length; i++) {
      worst = Math.max(worst, Math.abs(found.get(i) - expected[i]));
    }
    assertThat(slack).as("near ties").isLessThanOrEqualTo(5e-2 * Math.max(1e-3, scale));
    double most = 10 * TOLERANCE * Math.max(1e-3, scale) + slack;
    assertThat(worst).as(what).isLessThanOrEqualTo(most);
  }

  private static RunSpec spec(Case kind) {
    EncoderSpec encoder =
        new EncoderSpec(
            EncoderSpec.Family.BERT, VOCABULARY, LONGEST, 2, HIDDEN, 1, 2, 48, 1e-12, 0, 0, 0);
    LossSpec loss =
        new LossSpec(
            LossSpec.Pooling.CLS,
            true,
            0.4,
            kind.masks(),
            kind.distillation(),
            // With several pools it begins within the step.
            kind.heads() == Heads.SELF_DISTILLED ? 3L * kind.pools() : LossSpec.NEVER,
            kind.heads() == Heads.MATRYOSHKA ? List.of(5, 24, 11) : List.of(),
            kind.heads() == Heads.PADS_IN_MAX_SIM);
    return new RunSpec(
        "loss",
        7,
        10,
        encoder,
        kind.unified() ? HeadSpec.unified(VECTOR, List.of(0)) : HeadSpec.DENSE,
        "",
        "",
        DataSpec.PLAIN,
        new BatchSpec(
            kind.queries(),
            0,
            kind.group(),
            SLOTS,
            64,
            1,
            LONGEST,
            LONGEST,
            8,
            kind.pools(),
            0,
            List.of()),
        loss,
        new OptimizerSpec(1e-3, OptimizerSpec.Schedule.CONSTANT, 0, 0, 0.9, 0.999, 1e-8, 1),
        ComputeSpec.PLAIN);
  }

  private static int[] lengths(SplittableRandom random, int rows) {
    return random.ints(rows, 1, LONGEST + 1).toArray();
  }

  private static StepHeader header(Case kind, SplittableRandom random, int[] passageTokens) {
    int queries = kind.queries();
    int passages = queries * kind.group();
    int[] firstQuery = {0, queries / 3, queries / 3, queries - queries / 9, queries};
    int[] pools =
        kind.pools() == 1 || queries < 3
            ? new int[] {0, queries}
            : kind.pools() == 2
                ? new int[] {0, queries / 4, queries}
                : new int[] {0, queries / 2, queries / 2 + 1, queries};
    float[] teacher = new float[kind.distillation() == Distillation.NONE ? 0 : passages];
    for (int i = 0; i < teacher.length; i++) {
      teacher[i] = (float) random.nextDouble(-3, 3);
    }
    return new StepHeader(
        3,
        0,
        kind.group(),
        firstQuery,
        new long[queries],
        random.longs(passages, 0, 1 + passages / 3).toArray(),
        passageTokens,
        teacher,
        kind.inBatch(),
        pools,
        1,
        1);
  }

  private static List<SlotBatch> slots(StepHeader header) {
    return IntStream.range(0, header.slots())
        .filter(slot -> !header.isEmpty(slot))
        .mapToObj(
            slot -> {
              int own = header.firstQuery()[slot + 1] - header.firstQuery()[slot];
              int[][] ids = new int[own * (1 + header.groupSize())][1];
              return new SlotBatch(
                  3, slot, header.firstQuery()[slot], own, header.groupSize(), ids, ids, 1);
            })
        .toList();
  }

  /** In direct memory. */
  private static Embeddings embeddings(RunSpec spec, int[] tokens) {
    Places places = Places.of(SlotLoss.denseWidth(spec), spec.heads(), tokens.length, tokens);
    int rows = tokens.length;
    return new Embeddings(
        places,
        floats(places.dense(rows)),
        floats(places.lexical(rows)),
        floats(places.lexical(rows)),
        floats(places.vectorFloat(rows)));
  }

  private static FloatBuffer floats(int count) {
    return new Block(count).floats(0, count);
  }

  private static Embeddings filled(SplittableRandom random, Embeddings texts) {
    fill(random, texts.dense(), 0.3);
    fill(random, texts.vectors(), 0.5);
    Places places = texts.places();
    for (int row = 0; row < places.rows() && places.unified(); row++) {
      // No two tokens of a text speak for the same id, and some are silent.
      int id = random.nextInt(4);
      for (int t = places.lexical(row); t < places.lexical(row + 1); t++) {
        boolean speaks = id < VOCABULARY && random.nextInt(5) > 0;
        texts.ids().put(t, speaks ? id : -1);
        texts.weights().put(t, speaks ? (float) random.nextDouble(0, 0.5) : 0);
        id += 1 + random.nextInt(3);
      }
    }
    return texts;
  }

  private static void fill(SplittableRandom random, FloatBuffer into, double deviation) {
    for (int i = 0; i < into.capacity(); i++) {
      into.put(i, (float) random.nextGaussian(0, deviation));
    }
  }

  /** As the step gives them: arrays over the same memory. */
  private static SlotLoss.Passages passages(NDManager manager, Embeddings texts) {
    Places places = texts.places();
    int rows = places.rows();
    Block dense = new Block(places.dense(rows));
    dense.floats(0, places.dense(rows)).put(texts.dense().duplicate());
    Block vectors = new Block(places.vectorFloat(rows));
    vectors.floats(0, places.vectorFloat(rows)).put(texts.vectors().duplicate());
    return new SlotLoss.Passages(
        texts,
        dense.array(manager, 0, rows, places.denseWidth()),
        places.unified()
            ? Optional.of(vectors.array(manager, 0, places.vector(rows), places.vectorWidth()))
            : Optional.empty());
  }
}
