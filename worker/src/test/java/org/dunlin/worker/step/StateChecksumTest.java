package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A bit that flips anywhere in a member's state shows in one of a few steps, used or not. */
class StateChecksumTest {
  private static final int ROWS = 2;
  private static final int FLIPS = 8;
  private static final int[] LENGTHS = {0, 13};

  @ParameterizedTest
  @EnumSource(names = {"PARAMETER", "FIRST_MOMENT", "SECOND_MOMENT"})
  void shouldDifferInOneStepOfEachRound(Kind kind) {
    SplittableRandom random = new SplittableRandom(kind.name().length());
    SmallRun run = new SmallRun(SmallRun.Training.UNIFIED, Frozen.NOTHING, LENGTHS, 0, 2, 32);
    try (StepCompute device = run.device(2)) {
      List<StepResult> sound = round(run, device);
      List<Map.Entry<String, Long>> tensors = List.copyOf(device.parameters().entrySet());
      for (int flip = 0; flip < FLIPS; flip++) {
        Map.Entry<String, Long> tensor = tensors.get(random.nextInt(tensors.size()));
        long element = random.nextLong(tensor.getValue());
        float before = 0; // a moment's, before the first update
        if (kind == Kind.PARAMETER) {
          FloatBuffer value = FloatBuffer.allocate(1);
          device.read(tensor.getKey(), element, value);
          before = value.get(0);
        }
        float flipped = Float.intBitsToFloat(Float.floatToIntBits(before) ^ 1);
        write(device, kind, tensor.getKey(), element, flipped);

        List<StepResult> found = round(run, device);

        assertThat(IntStream.range(0, sound.size()))
            .as("%s of %s, element %d", kind, tensor.getKey(), element)
            .filteredOn(step -> ofState(sound.get(step)) != ofState(found.get(step)))
            .hasSize(1);
        write(device, kind, tensor.getKey(), element, before);
      }
      assertThat(round(run, device))
          .extracting(StepResult::checksum)
          .isEqualTo(sound.stream().map(StepResult::checksum).toList());
    }
  }

  private static void write(
      StepCompute device, Kind kind, String tensor, long element, float value) {
    device.write(kind, tensor, element, FloatBuffer.wrap(new float[] {value}));
  }

  private static int ofState(StepResult result) {
    return (int) (result.checksum() >>> Integer.SIZE);
  }

  private static List<StepResult> round(SmallRun run, StepCompute device) {
    List<StepResult> all = new ArrayList<>();
    for (long step = 0; step < StepCompute.PARTS; step++) {
      all.add(run.compute(device, step, ROWS));
    }
    return all;
  }
}
