package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products of bf16 and fp16 factors: near fp32, and of equal bits wherever fp32's are. */
class PrecisionTest {
  private static final int STEPS = 20;
  private static final HeadSpec HEADS = HeadSpec.unified(16, List.of(0));

  /** Measured over these steps: 8.4e-4 of the loss with bf16, 3.3e-4 with fp16. */
  @Test
  void shouldTrainNearFp32() {
    double[] exact = losses(run(0, Precision.FP32));
    assertThat(worst(losses(run(0, Precision.BF16)), exact)).isPositive().isLessThan(3e-3);
    assertThat(worst(losses(run(0, Precision.FP16)), exact)).isPositive().isLessThan(1e-3);
  }

  private static double worst(double[] found, double[] exact) {
    return IntStream.range(0, STEPS)
        .mapToDouble(step -> Math.abs(found[step] / exact[step] - 1))
        .max()
        .orElseThrow();
  }

  private static double[] losses(SmallRun run) {
    double[] losses = new double[STEPS];
    try (StepCompute device = run.device(2)) {
      for (int step = 0; step < STEPS; step++) {
        StepResult result = run.compute(device, step, 8);
        assertThat(result.applied()).isTrue();
        losses[step] = Arrays.stream(result.slotLosses()).sum();
        device.apply(step);
      }
    }
    return losses;
  }

  /** Rows of padded lengths, so that places without a token pass attention in the low type. */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "FP16"})
  void shouldGiveTheSameBitsHoweverMemoryIsSaved(Precision precision) {
    for (double dropout : new double[] {0, 0.2}) {
      SmallRun run = run(dropout, precision);
      Map<String, float[]> kept = train(run, 1, new Memory(false, 1L << 30));
      for (Memory memory :
          List.of(new Memory(false, 0), new Memory(true, 0), new Memory(true, 1L << 30))) {
        Map<String, float[]> saved = train(run, 3, memory);
        kept.forEach(
            (name, values) ->
                assertThat(saved.get(name)).as(memory + " " + name).isEqualTo(values));
      }
    }
  }

  private static Map<String, float[]> train(SmallRun run, int threads, Memory memory) {
    try (StepCompute device = run.device(threads, memory)) {
      for (long step = 0; step < 2; step++) {
        run.compute(device, step, 4);
        device.apply(step);
      }
      return SmallRun.parameters(device);
    }
  }

  /** A small temperature makes gradients that 65536 lifts over fp16's largest number, 65504. */
  @Test
  void shouldSkipAnOverflowAndHalveTheScaleUntilItFits() {
    SmallRun run =
        new SmallRun(0, 13, 2, 32).with(HEADS, 1e-3, new ComputeSpec(Precision.FP16, false));
    try (StepCompute device = run.device(2)) {
      Map<String, float[]> before = SmallRun.parameters(device);
      long step = 0;
      double scale = Scalars.FIRST_SCALE;
      StepResult result = run.compute(device, step, 4);
      assertThat(result.applied()).as("the first step overflows").isFalse();
      while (!result.applied()) {
        assertThat(Arrays.stream(result.slotLosses()).sum()).isFinite();
        assertThat(result.checksum()).isEqualTo(run.compute(device, step, 4).checksum());
        device.apply(step);
        scale /= 2;
        assertThat(device.scalars()).isEqualTo(new Scalars(0, scale, 0));
        before.forEach(
            (name, values) ->
                assertThat(SmallRun.parameters(device).get(name)).as(name).isEqualTo(values));
        result = run.compute(device, ++step, 4);
      }
      device.apply(step);
      assertThat(device.scalars()).isEqualTo(new Scalars(1, scale, 1));
      assertThat(SmallRun.parameters(device)).isNotEqualTo(before);
    }
  }

  /** Measured: 3e-5 off, once the overflows of the smaller temperature have been skipped. */
  @ParameterizedTest
  @ValueSource(doubles = {0.05, 1e-3})
  void shouldGiveTheGradientOfFp32WhateverTheScale(double temperature) {
    SmallRun low =
        new SmallRun(0, 13, 2, 32).with(HEADS, temperature, new ComputeSpec(Precision.FP16, false));
    SmallRun exact = new SmallRun(0, 13, 2, 32).with(HEADS, temperature, ComputeSpec.PLAIN);
    try (StepCompute lowDevice = low.device(2);
        StepCompute exactDevice = exact.device(2)) {
      StepResult found = low.compute(lowDevice, 0, 4);
      for (int skips = 0; !found.applied() && skips < 20; skips++) {
        lowDevice.apply(0);
        found = low.compute(lowDevice, 0, 4);
      }
      double norm = exact.compute(exactDevice, 0, 4).gradientNorm();
      assertThat(found.gradientNorm()).isCloseTo(norm, within(3e-4 * norm)).isNotEqualTo(norm);
    }
  }

  private static SmallRun run(double dropout, Precision precision) {
    return new SmallRun(dropout, 13, 2, 32).with(HEADS, 0.05, new ComputeSpec(precision, false));
  }
}
