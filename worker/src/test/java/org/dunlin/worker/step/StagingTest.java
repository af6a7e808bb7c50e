package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.step.SmallRun.Training;
import org.dunlin.worker.trace.Trace;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The way of a CUDA device, gone on the processor: with all parameters copied after each change,
 * and all that the encoder takes and gives copied too, the same is trained. Pinned memory is the
 * one thing that is not there without a device.
 */
class StagingTest {
  private static final int ROWS = 3;
  private static final String WRITTEN = "encoder.layer.1.output.dense.weight";

  /** With dropout, where attention is written out anyway. */
  private static final double DROPOUT = 0.2;

  private static final long SOME = 1 << 20; // of the graphs
  private static final long ALL = 1L << 40;

  /** Bits of a training of some steps, between which a tensor is written. */
  private record Trained(List<Long> checksums, Map<String, float[]> parameters) {}

  static Stream<Arguments> trainings() {
    List<Memory> memories =
        List.of(new Memory(false, SOME), new Memory(true, ALL), new Memory(true, 0));
    return Stream.of(Training.DENSE, Training.UNIFIED_WITH_TEACHER)
        .flatMap(
            kind ->
                Arrays.stream(Frozen.values())
                    .filter(frozen -> frozen != Frozen.ENCODER || kind.unified())
                    .flatMap(
                        frozen ->
                            memories.stream().map(memory -> Arguments.of(kind, frozen, memory))));
  }

  @ParameterizedTest
  @MethodSource("trainings")
  void shouldTrainTheSameBitsThroughCopies(Training kind, Frozen frozen, Memory memory) {
    SmallRun run = new SmallRun(kind, frozen, new int[] {0, 9}, DROPOUT, 2, 32);
    Trained inPlace = train(run, memory, EncoderDevice.PROCESSOR);
    Trained copied = train(run, memory, EncoderDevice.MIRRORED_PROCESSOR);
    assertThat(inPlace.checksums()).doesNotHaveDuplicates();
    assertThat(copied.checksums()).isEqualTo(inPlace.checksums());
    inPlace
        .parameters()
        .forEach(
            (name, values) -> assertThat(copied.parameters().get(name)).as(name).isEqualTo(values));
  }

  private static Trained train(SmallRun run, Memory memory, EncoderDevice on) {
    List<Long> checksums = new ArrayList<>();
    try (StepCompute device = run.device(3, memory, Trace.NONE, on)) {
      for (long step = 0; step < 3; step++) {
        checksums.add(run.compute(device, step, ROWS).checksum());
        device.apply(step);
      }
      // As a checkpoint is read back, in the midst of a step that is given up.
      checksums.add(run.compute(device, 3, ROWS).checksum());
      float[] written = SmallRun.parameters(device).get(WRITTEN);
      for (int i = 0; i < written.length; i++) {
        written[i] += i % 7 * 0.01f;
      }
      device.write(Kind.PARAMETER, WRITTEN, 0, FloatBuffer.wrap(written));
      for (long step = 3; step < 5; step++) {
        checksums.add(run.compute(device, step, ROWS).checksum());
        device.apply(step);
      }
      return new Trained(checksums, SmallRun.parameters(device));
    }
  }

  /** The fused kernel of one and the written attention of the other round otherwise. */
  @Test
  void shouldGiveTheSameGradientWithoutDropoutToRounding() {
    SmallRun run = new SmallRun(Training.UNIFIED, Frozen.NOTHING, new int[] {0, 9}, 0, 2, 32);
    Memory memory = new Memory(false, ALL);
    try (StepCompute inPlace = run.device(2, memory, Trace.NONE, EncoderDevice.PROCESSOR);
        StepCompute copied = run.device(2, memory, Trace.NONE, EncoderDevice.MIRRORED_PROCESSOR)) {
      StepResult expected = run.compute(inPlace, 1, ROWS);
      StepResult found = run.compute(copied, 1, ROWS);
      double[] losses = expected.slotLosses();
      for (int slot = 0; slot < losses.length; slot++) {
        assertThat(found.slotLosses()[slot]).isCloseTo(losses[slot], within(1e-5));
      }
      double norm = expected.gradientNorm();
      for (String name : inPlace.parameters().keySet()) {
        float[] one = inPlace.gradient(name).orElseThrow();
        float[] other = copied.gradient(name).orElseThrow();
        double most = 0;
        for (int i = 0; i < one.length; i++) {
          most = Math.max(most, Math.abs(one[i] - other[i]));
        }
        assertThat(most / norm).as(name).isLessThan(1e-5);
      }
    }
  }

  /** At odd widths and lengths, and with micro-batches of one row. */
  @Test
  void shouldProbeTheKernelsOfItsDevice() {
    assertThat(KernelProbe.sha256(ComputeSpec.PLAIN, EncoderDevice.MIRRORED_PROCESSOR))
        .isEqualTo(KernelProbe.sha256(ComputeSpec.PLAIN, EncoderDevice.PROCESSOR));
  }
}
