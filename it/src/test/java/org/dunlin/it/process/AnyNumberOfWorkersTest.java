package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.data.model.Sha256;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Who computes what changes no bit, with dropout, by 1 to 7 workers. */
class AnyNumberOfWorkersTest {
  private static final long STEPS = 30;
  private static final long FEW_STEPS = 12;
  private static final List<Integer> MORE = List.of(2, 3, 5, 7);

  @TempDir private Path folder;

  /** What is trained. */
  enum Training {
    DENSE,
    UNIFIED,
    DISTILLATION,
    SELF_DISTILLATION;

    private Map<String, Object> keys() {
      return switch (this) {
        case DENSE -> Map.of();
        case UNIFIED -> Map.of("model.unified", true);
        case DISTILLATION -> Map.of("model.unified", true, "loss.distillation", "kl");
        case SELF_DISTILLATION ->
            Map.of(
                "model.unified",
                true,
                "loss.self-distillation",
                true,
                "loss.self-distillation-start-step",
                5);
      };
    }
  }

  @ParameterizedTest
  @EnumSource
  void shouldGiveTheSameBitsInOneProcess(Training training) throws Exception {
    Map<String, String> alone = here(training, FEW_STEPS, 1);
    for (int workers : MORE) {
      assertThat(here(training, FEW_STEPS, workers)).as(workers + " workers").isEqualTo(alone);
    }
  }

  @ParameterizedTest
  @EnumSource
  @Tag("long")
  void shouldGiveTheSameBitsInProcessesOfTheirOwn(Training training) throws Exception {
    Map<String, String> alone = here(training, STEPS, 1);
    for (int workers : MORE) {
      Settings settings = settings(training, STEPS, "processes-" + workers, workers);
      try (Job job = Job.open(settings);
          Watcher watcher = job.watching()) {
        assertThat(sums(job, job.run(watcher, StopRequest.byHand())))
            .as(workers + " processes")
            .isEqualTo(alone);
      }
    }
  }

  /** Other bits, but the same mathematics. */
  @Test
  void shouldLearnTheSameWithTheFastReduction() throws Exception {
    double[] ordered = losses("ordered", 1);
    double[] fast = losses("fast", 3);
    assertThat(fast).isNotEqualTo(ordered);
    for (int step = 0; step < ordered.length; step++) {
      assertThat(fast[step]).as("step " + step).isCloseTo(ordered[step], withinPercentage(0.01));
    }
  }

  private double[] losses(String reduction, int workers) throws Exception {
    Settings settings =
        settings(Training.UNIFIED, FEW_STEPS, reduction, 0).with(Map.of("reduction", reduction));
    try (Job job = Job.open(settings);
        Watcher watcher = job.watching()) {
      assertThat(job.runHere(workers, watcher, StopRequest.byHand()))
          .isInstanceOf(Outcome.Finished.class);
      JsonMapper json = new JsonMapper();
      List<Double> losses = new ArrayList<>();
      for (String line : Files.readAllLines(job.runFolder().resolve("metrics.jsonl"))) {
        losses.add(json.readTree(line).get("loss").asDouble());
      }
      assertThat(losses).hasSize((int) FEW_STEPS);
      return losses.stream().mapToDouble(Double::doubleValue).toArray();
    }
  }

  private Map<String, String> here(Training training, long steps, int workers) throws Exception {
    try (Job job = Job.open(settings(training, steps, "here-" + workers, 0));
        Watcher watcher = job.watching()) {
      return sums(job, job.runHere(workers, watcher, StopRequest.byHand()));
    }
  }

  private Settings settings(Training training, long steps, String name, int processes) {
    Map<String, Object> keys = new HashMap<>(training.keys());
    keys.put("model.attention-dropout", 0.1);
    keys.put("compute-threads", 1);
    return Golden.settings(folder.resolve(name), steps, processes).with(keys);
  }

  /** SHA-256 by file. */
  private static Map<String, String> sums(Job job, Outcome outcome) throws Exception {
    assertThat(outcome).isInstanceOf(Outcome.Finished.class);
    Map<String, String> sums = new TreeMap<>();
    Path model = job.runFolder().resolve("model");
    sums.put("encoder", Sha256.of(model.resolve("model.safetensors")));
    if (job.spec().heads().unified()) {
      sums.put("sparse", Sha256.of(model.resolve("sparse_linear.pt")));
      sums.put("vectors", Sha256.of(model.resolve("colbert_linear.pt")));
    }
    return sums;
  }
}
