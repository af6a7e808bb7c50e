package org.dunlin.it.parity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.step.StepCompute;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/**
 * Trains each recorded configuration and compares every step's loss and gradient norm, and how far
 * each parameter moved, with the reference's. Prints one line a configuration.
 */
@Tag("parity")
class TrainingParityTest {
  private static final int SLOTS = 4;
  private static final int THREADS = 2;
  private static final int ROWS_PER_MICRO_BATCH = 5;

  @TestFactory
  Stream<DynamicTest> shouldTrainAsTheReference() {
    GoldenSet set = GoldenSet.open();
    List<GoldenConfig> supported =
        set.configs().stream().filter(GoldenConfig::isSupported).toList();
    assertThat(supported).as("configurations in " + set.folder()).isNotEmpty();
    return supported.stream()
        .map(config -> DynamicTest.dynamicTest(config.name(), () -> check(set, config)));
  }

  private static void check(GoldenSet set, GoldenConfig config) {
    try (ModelFolder model = ModelFolder.open(set.folder().resolve("model"))) {
      int pairs = set.batches().get(0).queries().length * config.batchesPerStep();
      RunSpec spec = config.runSpec(model.encoder(), set.groupSize(), pairs, SLOTS);
      try (StepCompute device = new StepCompute(spec, THREADS)) {
        Map<String, float[]> initial = load(model, device);
        double worstLoss = 0;
        double worstNorm = 0;
        for (int step = 0; step < config.steps(); step++) {
          StepResult result = step(set, config, spec, device, step);
          double loss = Arrays.stream(result.slotLosses()).sum();
          double lossError = Math.abs(loss - config.loss(step));
          if (step == 0) {
            assertThat(lossError)
                .as("loss of step 0")
                .isLessThan(config.tolerance(1e-5, "loss_step0_abs"));
          }
          worstLoss = Math.max(worstLoss, lossError / Math.abs(config.loss(step)));
          worstNorm =
              Math.max(worstNorm, Math.abs(result.gradientNorm() / config.gradientNorm(step) - 1));
          device.apply(step);
        }
        double worstMove = worstMove(config, device, initial);
        System.out.printf(
            "parity %-22s loss %.1e, gradient norm %.1e, weights moved %.1e%n",
            config.name(), worstLoss, worstNorm, worstMove);
        assertThat(worstLoss).as("loss").isLessThan(config.tolerance(5e-4, "loss_max_rel"));
        assertThat(worstNorm)
            .as("gradient norm")
            .isLessThan(config.tolerance(1e-3, "grad_norm_max_rel"));
        assertThat(worstMove)
            .as("final - initial")
            .isLessThan(config.tolerance(2e-3, "final_delta_l2_max_rel_excl_key_bias"));
      }
    }
  }

  private static StepResult step(
      GoldenSet set, GoldenConfig config, RunSpec spec, StepCompute device, int step) {
    int first = step * config.batchesPerStep();
    GoldenBatch batch =
        GoldenBatch.of(
            step,
            set.batches().subList(first, first + config.batchesPerStep()),
            set.groupSize(),
            SLOTS,
            config.rowsPerMicroBatch(ROWS_PER_MICRO_BATCH),
            spec.batch().padMultiple(),
            config.inBatchNegatives(),
            config.isTaught());
    return device.compute(batch.header(), batch.slots(), new Alone(), new int[] {0, SLOTS});
  }

  private static Map<String, float[]> load(ModelFolder model, StepCompute device) {
    Map<String, float[]> initial = new LinkedHashMap<>();
    for (Tensor tensor : model.tensors()) {
      float[] values = new float[Math.toIntExact(tensor.elements())];
      model.read(tensor, 0, FloatBuffer.wrap(values));
      device.write(tensor.name(), 0, FloatBuffer.wrap(values));
      initial.put(tensor.name(), values);
    }
    return initial;
  }

  private static double worstMove(
      GoldenConfig config, StepCompute device, Map<String, float[]> initial) {
    double worst = 0;
    for (Map.Entry<String, float[]> entry : initial.entrySet()) {
      JsonNode expected = config.tensors().path("model." + entry.getKey());
      // Its true gradient is 0: what moves it is rounding noise.
      if (entry.getKey().endsWith("key.bias")) {
        continue;
      }
      assertThat(expected.isArray()).as(entry.getKey() + " is recorded").isTrue();
      float[] values = new float[entry.getValue().length];
      device.read(entry.getKey(), 0, FloatBuffer.wrap(values));
      double moved = 0;
      for (int i = 0; i < values.length; i++) {
        double difference = (double) values[i] - entry.getValue()[i];
        moved += difference * difference;
      }
      worst = Math.max(worst, Math.abs(Math.sqrt(moved) / expected.path(2).asDouble() - 1));
    }
    assertThat(worst).isNotNaN().isCloseTo(0, within(1.0));
    return worst;
  }
}
