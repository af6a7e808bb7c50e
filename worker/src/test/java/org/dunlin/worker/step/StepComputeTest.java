package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dunlin.protocol.message.StepResult;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A step's bits and numbers, whatever the threads and the cut into micro-batches. */
class StepComputeTest {
  private static final int STEPS = 3;

  @ParameterizedTest
  @ValueSource(doubles = {0, 0.2})
  void shouldGiveTheSameBitsOnAnyNumberOfThreads(double dropout) {
    SmallRun run = new SmallRun(dropout, 13, 2, 32);
    Map<String, float[]> alone = train(run, 1);
    for (int threads : List.of(2, 3, 5)) {
      Map<String, float[]> more = train(run, threads);
      alone.forEach((name, values) -> assertThat(more.get(name)).as(name).isEqualTo(values));
    }
  }

  private static Map<String, float[]> train(SmallRun run, int threads) {
    try (StepCompute device = run.device(threads)) {
      for (long step = 0; step < STEPS; step++) {
        run.compute(device, step, 4);
        device.apply(step);
      }
      return SmallRun.parameters(device);
    }
  }

  /** Also shows that a row's dropout masks do not depend on the rows beside it, nor on padding. */
  @ParameterizedTest
  @ValueSource(doubles = {0, 0.2})
  void shouldGiveTheSameGradientForAnyCutIntoMicroBatches(double dropout) {
    SmallRun run = new SmallRun(dropout, 13, 2, 32);
    try (StepCompute device = run.device(2)) {
      StepResult whole = run.compute(device, 0, 100);
      List<float[]> gradient = gradient(device);
      for (int rows : new int[] {1, 3, 5}) {
        StepResult cut = run.compute(device, 0, rows);
        assertThat(sum(cut)).isCloseTo(sum(whole), within(1e-6));
        List<float[]> other = gradient(device);
        for (int s = 0; s < gradient.size(); s++) {
          assertThat(distance(gradient.get(s), other.get(s))).as("segment " + s).isLessThan(1e-5);
        }
      }
    }
  }

  @Test
  void shouldDrawOtherMasksEachStep() {
    SmallRun run = new SmallRun(0.2, 8, 1, 32);
    SmallRun calm = new SmallRun(0, 8, 1, 32);
    try (StepCompute device = run.device(1);
        StepCompute dry = calm.device(1)) {
      double first = sum(run.compute(device, 0, 4)) - sum(calm.compute(dry, 0, 4));
      double second = sum(run.compute(device, 1, 4)) - sum(calm.compute(dry, 1, 4));
      assertThat(first).isNotZero().isNotEqualTo(second);
      assertThat(run.compute(device, 0, 4).checksum())
          .isEqualTo(run.compute(device, 0, 4).checksum());
    }
  }

  @Test
  void shouldLeaveEverythingAsItIsWhenAGradientIsNotFinite() {
    SmallRun run = new SmallRun(0, 8, 1, 32);
    try (StepCompute device = run.device(1)) {
      String parameter = "encoder.layer.1.output.dense.bias";
      float[] broken = {Float.POSITIVE_INFINITY};
      device.write(parameter, 0, FloatBuffer.wrap(broken));
      Map<String, float[]> before = SmallRun.parameters(device);
      assertThat(run.compute(device, 0, 4).applied()).isFalse();
      device.apply(0);
      before.forEach(
          (name, values) ->
              assertThat(SmallRun.parameters(device).get(name)).as(name).isEqualTo(values));
    }
  }

  /** Arrays that a step forgets to close lie outside the heap, where nothing collects them. */
  @Test
  void shouldNotGrowOverManySteps() throws IOException {
    SmallRun run = new SmallRun(0.1, 32, 2, 64);
    try (StepCompute device = run.device(2)) {
      long after = 0;
      for (long step = 0; step < 140; step++) {
        run.compute(device, step, 12);
        device.apply(step);
        if (step == 40) {
          after = residentKib();
        }
      }
      assertThat((residentKib() - after) / 1024).as("growth in MiB").isLessThan(300);
    }
  }

  private static long residentKib() throws IOException {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
          .findFirst()
          .orElseThrow();
    }
  }

  private static double sum(StepResult result) {
    return Arrays.stream(result.slotLosses()).sum();
  }

  private static List<float[]> gradient(StepCompute device) {
    return device.parameters().keySet().stream()
        .map(name -> device.gradient(name).orElseThrow())
        .toList();
  }

  // Relative to the larger of the segment's norm and what rounding makes of a true 0.
  private static double distance(float[] left, float[] right) {
    double difference = 0;
    double norm = 1e-6;
    for (int i = 0; i < left.length; i++) {
      difference += ((double) left[i] - right[i]) * ((double) left[i] - right[i]);
      norm += (double) left[i] * left[i];
    }
    return Math.sqrt(difference / norm);
  }
}
