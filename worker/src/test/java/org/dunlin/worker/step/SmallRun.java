package org.dunlin.worker.step;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.dunlin.data.plan.SlotCut;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Distillation;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.trace.Trace;

/** A small model with random weights, and random batches for it. */
final class SmallRun {
  private static final int VOCABULARY = 120;
  private static final int POSITIONS = 48;
  private static final int VECTOR_WIDTH = 12;
  static final int SLOTS = 4;

  /** What is trained, and on what. */
  enum Training {
    DENSE,
    DENSE_WITH_TEACHER,
    UNIFIED,
    SELF_DISTILLED,
    UNIFIED_WITH_TEACHER;

    boolean unified() {
      return this != DENSE && this != DENSE_WITH_TEACHER;
    }
  }

  private final RunSpec spec;
  private final int queries;
  private final int groupSize;
  private final int[] firstQueryOfPool;

  /** A step: what every member gets, and all slots' batches. */
  record Batch(StepHeader header, List<SlotBatch> slots) {}

  SmallRun(double dropout, int queries, int groupSize, int hidden) {
    this(Training.DENSE, Frozen.NOTHING, new int[] {0, queries}, dropout, groupSize, hidden);
  }

  /**
   * @param firstQueryOfPool as in {@link StepHeader}
   */
  SmallRun(
      Training kind,
      Frozen frozen,
      int[] firstQueryOfPool,
      double dropout,
      int groupSize,
      int hidden) {
    this.firstQueryOfPool = firstQueryOfPool;
    this.queries = firstQueryOfPool[firstQueryOfPool.length - 1];
    this.groupSize = groupSize;
    EncoderSpec encoder =
        new EncoderSpec(
            EncoderSpec.Family.BERT,
            VOCABULARY,
            POSITIONS,
            2,
            hidden,
            2,
            2,
            2 * hidden,
            1e-12,
            0,
            dropout,
            dropout);
    LossSpec loss =
        new LossSpec(
            LossSpec.Pooling.MEAN,
            true,
            0.05,
            false,
            switch (kind) {
              case DENSE_WITH_TEACHER -> Distillation.KL_DIV;
              case UNIFIED_WITH_TEACHER -> Distillation.M3_KD_LOSS;
              default -> Distillation.NONE;
            },
            kind == Training.SELF_DISTILLED ? 0 : LossSpec.NEVER,
            List.of(),
            false);
    this.spec =
        new RunSpec(
            "small",
            7,
            1000,
            encoder,
            kind.unified() ? HeadSpec.unified(VECTOR_WIDTH, List.of(0, 1, 2)) : HeadSpec.DENSE,
            "",
            "",
            DataSpec.PLAIN,
            new BatchSpec(
                queries,
                0,
                groupSize,
                SLOTS,
                4096,
                1,
                POSITIONS,
                POSITIONS,
                1,
                firstQueryOfPool.length - 1,
                0,
                List.of()),
            loss,
            new OptimizerSpec(
                1e-3, OptimizerSpec.Schedule.CONSTANT, 0, 0.01, 0.9, 0.999, 1e-8, 1, frozen),
            ComputeSpec.PLAIN);
  }

  private SmallRun(SmallRun run, RunSpec spec) {
    this.spec = spec;
    this.queries = run.queries;
    this.groupSize = run.groupSize;
    this.firstQueryOfPool = run.firstQueryOfPool;
  }

  /** The same run, computed otherwise. */
  SmallRun with(HeadSpec heads, double temperature, ComputeSpec compute) {
    RunSpec changed =
        new RunSpec(
            spec.name(),
            spec.seed(),
            spec.steps(),
            spec.encoder(),
            heads,
            spec.weightsSha256(),
            spec.dataSha256(),
            spec.data(),
            spec.batch(),
            LossSpec.contrastive(LossSpec.Pooling.MEAN, true, temperature, false),
            spec.optimizer(),
            compute);
    return new SmallRun(this, changed);
  }

  /** A device with this run's first parameters. */
  StepCompute device(int threads) {
    return device(threads, Memory.ofMachine(false));
  }

  StepCompute device(int threads, Memory memory) {
    return device(threads, memory, Trace.NONE);
  }

  StepCompute device(int threads, Memory memory, Trace trace) {
    return device(threads, memory, trace, EncoderDevice.PROCESSOR);
  }

  StepCompute device(int threads, Memory memory, Trace trace, EncoderDevice on) {
    StepCompute device =
        new StepCompute(spec, threads, memory, Optional.empty(), trace, HangWatch.NONE, on);
    SplittableRandom random = new SplittableRandom(3);
    device
        .parameters()
        .forEach(
            (name, elements) -> {
              float[] values = new float[Math.toIntExact(elements)];
              for (int i = 0; i < values.length; i++) {
                float shift = name.endsWith("LayerNorm.weight") ? 1 : 0;
                values[i] = shift + (float) random.nextGaussian(0, 0.1);
              }
              device.write(name, 0, FloatBuffer.wrap(values));
            });
    return device;
  }

  /** Computes a step; each slot's rows are cut into micro-batches of so many. */
  StepResult compute(StepCompute device, long step, int rowsPerMicroBatch) {
    Batch batch = batch(step, rowsPerMicroBatch);
    return device.compute(batch.header(), batch.slots(), new Alone(), new int[] {0, SLOTS});
  }

  /** A step of random texts; each slot's rows are cut into micro-batches of so many. */
  Batch batch(long step, int rowsPerMicroBatch) {
    SplittableRandom random = new SplittableRandom(step + 100);
    int[] firstQuery = SlotCut.firstQueries(queries, SLOTS);
    List<SlotBatch> slots = new ArrayList<>();
    for (int slot = 0; slot < SLOTS; slot++) {
      int own = firstQuery[slot + 1] - firstQuery[slot];
      if (own > 0) {
        int[][] rows =
            IntStream.range(0, own * (1 + groupSize))
                .mapToObj(r -> random.ints(random.nextInt(2, 40), 1, VOCABULARY).toArray())
                .toArray(int[][]::new);
        slots.add(
            new SlotBatch(
                step,
                slot,
                firstQuery[slot],
                own,
                groupSize,
                rows,
                cut(rows.length, rowsPerMicroBatch),
                1));
      }
    }
    float[] scores = new float[spec.loss().distillation() == Distillation.NONE ? 0 : passages()];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) random.nextDouble(-2, 2);
    }
    StepHeader header =
        new StepHeader(
            step,
            0,
            groupSize,
            firstQuery,
            new long[queries],
            new long[passages()],
            slots.stream()
                .flatMap(slot -> Arrays.stream(slot.tokenIds()).skip(slot.queries()))
                .mapToInt(ids -> ids.length)
                .toArray(),
            scores,
            true,
            firstQueryOfPool,
            1,
            1);
    return new Batch(header, List.copyOf(slots));
  }

  private int passages() {
    return queries * groupSize;
  }

  private static int[][] cut(int rows, int each) {
    return IntStream.iterate(0, from -> from < rows, from -> from + each)
        .mapToObj(from -> IntStream.range(from, Math.min(rows, from + each)).toArray())
        .toArray(int[][]::new);
  }

  /** All parameters of a device. */
  static Map<String, float[]> parameters(StepCompute device) {
    Map<String, float[]> all = new LinkedHashMap<>();
    device
        .parameters()
        .forEach(
            (name, elements) -> {
              float[] values = new float[Math.toIntExact(elements)];
              device.read(name, 0, FloatBuffer.wrap(values));
              all.put(name, values);
            });
    return all;
  }
}
