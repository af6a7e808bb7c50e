package org.dunlin.worker.step;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
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
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.trace.Trace;

/**
 * What this machine's kernels make of a fixed problem: one step of a small dense model and one of a
 * small unified one, at odd widths and lengths, with micro-batches of several rows and of one. The
 * name of an instruction set would not do: libraries choose kernels by model and cache as well.
 *
 * <p>Not promised: that machines of equal probes agree on every shape there is.
 */
public final class KernelProbe {
  private static final int VOCABULARY = 211;
  private static final int POSITIONS = 96;
  private static final int HIDDEN = 129;
  private static final int VECTOR_WIDTH = 37;
  private static final int QUERIES = 5;
  private static final int GROUP_SIZE = 3;
  private static final int SLOTS = 4;
  private static final int LONGEST = 67;
  private static final long SEED = 5;
  private static final long KEPT_BYTES = 1 << 28; // more than all graphs of it

  private KernelProbe() {}

  /**
   * Computes it, within about a second; starts the engine where that was not done.
   *
   * @param compute as the run will compute
   * @param on what the run's encoder will compute on
   * @return SHA-256 in hexadecimal of losses, gradients and updated parameters
   */
  public static String sha256(ComputeSpec compute, EncoderDevice on) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      add(digest, dense(compute), on);
      add(digest, unified(compute), on);
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static RunSpec dense(ComputeSpec compute) {
    LossSpec loss =
        new LossSpec(
            Pooling.CLS,
            true,
            0.05,
            false,
            Distillation.KL_DIV,
            LossSpec.NEVER,
            List.of(HIDDEN, 31),
            false);
    return run(compute, HeadSpec.DENSE, loss);
  }

  private static RunSpec unified(ComputeSpec compute) {
    LossSpec loss =
        new LossSpec(
            Pooling.MEAN, true, 0.05, false, Distillation.M3_KD_LOSS, -1, List.of(), false);
    return run(compute, HeadSpec.unified(VECTOR_WIDTH, List.of(0, 1, 2, 3)), loss);
  }

  private static RunSpec run(ComputeSpec compute, HeadSpec heads, LossSpec loss) {
    return new RunSpec(
        "probe",
        SEED,
        1,
        new EncoderSpec(
            EncoderSpec.Family.BERT,
            VOCABULARY,
            POSITIONS,
            2,
            HIDDEN,
            2,
            3,
            4 * HIDDEN + 1,
            1e-12,
            0,
            0.1,
            0.1),
        heads,
        "",
        "",
        DataSpec.PLAIN,
        new BatchSpec(
            QUERIES, 0, GROUP_SIZE, SLOTS, 4096, 1, POSITIONS, POSITIONS, 1, 1, 0, List.of()),
        loss,
        new OptimizerSpec(
            1e-3,
            OptimizerSpec.Schedule.CONSTANT,
            0,
            0.01,
            0.9,
            0.999,
            1e-8,
            1,
            OptimizerSpec.Frozen.NOTHING),
        compute);
  }

  private static void add(MessageDigest digest, RunSpec spec, EncoderDevice on) {
    SplittableRandom random = new SplittableRandom(SEED);
    Memory memory = new Memory(spec.compute().recomputesLayers(), KEPT_BYTES);
    try (StepCompute device =
        new StepCompute(spec, 1, memory, Optional.empty(), Trace.NONE, HangWatch.NONE, on)) {
      device.parameters().forEach((name, elements) -> write(device, name, elements, random));
      List<SlotBatch> slots = slots(random);
      StepResult result =
          device.compute(header(slots, random), slots, new Alone(), new int[] {0, SLOTS});
      device.apply(0);
      ByteBuffer numbers = ByteBuffer.allocate(Long.BYTES * (2 + result.slotLosses().length));
      numbers.putLong(result.checksum()).putDouble(result.gradientNorm());
      for (double loss : result.slotLosses()) {
        numbers.putDouble(loss);
      }
      digest.update(numbers.flip());
      device.parameters().forEach((name, elements) -> digest.update(read(device, name, elements)));
    }
  }

  private static void write(StepCompute device, String name, long elements, SplittableRandom from) {
    float[] values = new float[Math.toIntExact(elements)];
    float shift = name.endsWith("LayerNorm.weight") ? 1 : 0;
    for (int i = 0; i < values.length; i++) {
      values[i] = shift + (float) from.nextDouble(-0.2, 0.2);
    }
    device.write(name, 0, FloatBuffer.wrap(values));
  }

  private static ByteBuffer read(StepCompute device, String name, long elements) {
    ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(elements * Float.BYTES));
    device.read(name, 0, bytes.asFloatBuffer());
    return bytes;
  }

  // The first slot's rows pass together, the second's one by one, the others' by three.
  private static List<SlotBatch> slots(SplittableRandom random) {
    int[] firstQuery = SlotCut.firstQueries(QUERIES, SLOTS);
    List<SlotBatch> slots = new ArrayList<>();
    for (int slot = 0; slot < SLOTS; slot++) {
      int queries = firstQuery[slot + 1] - firstQuery[slot];
      int[][] rows =
          IntStream.range(0, queries * (1 + GROUP_SIZE))
              .mapToObj(row -> random.ints(random.nextInt(2, LONGEST + 1), 4, VOCABULARY).toArray())
              .toArray(int[][]::new);
      int together = slot == 0 ? rows.length : slot == 1 ? 1 : 3;
      slots.add(
          new SlotBatch(
              0, slot, firstQuery[slot], queries, GROUP_SIZE, rows, cut(rows, together), 1));
    }
    return List.copyOf(slots);
  }

  private static int[][] cut(int[][] rows, int together) {
    return IntStream.iterate(0, from -> from < rows.length, from -> from + together)
        .mapToObj(from -> IntStream.range(from, Math.min(rows.length, from + together)).toArray())
        .toArray(int[][]::new);
  }

  private static StepHeader header(List<SlotBatch> slots, SplittableRandom random) {
    int passages = QUERIES * GROUP_SIZE;
    float[] teacher = new float[passages];
    for (int p = 0; p < passages; p++) {
      teacher[p] = (float) random.nextDouble(-2, 2);
    }
    return new StepHeader(
        0,
        0,
        GROUP_SIZE,
        SlotCut.firstQueries(QUERIES, SLOTS),
        new long[QUERIES],
        new long[passages],
        slots.stream()
            .flatMap(
                slot ->
                    IntStream.range(slot.queries(), slot.tokenIds().length)
                        .mapToObj(row -> slot.tokenIds()[row]))
            .mapToInt(ids -> ids.length)
            .toArray(),
        teacher,
        true,
        new int[] {0, QUERIES},
        1,
        1);
  }
}
