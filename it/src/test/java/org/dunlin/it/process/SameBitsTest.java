package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole runs, in one process and in several: what comes out, and how the end of each looks. */
@Tag("process")
class SameBitsTest {
  private static final long STEPS = 6;

  @TempDir private Path folder;

  /** Every day {@link LostProcessTest} shows more than this. */
  @Test
  @Tag("long")
  void shouldGiveTheSameWeightsForAnyNumberOfProcesses() throws Exception {
    String alone = train("local", 0);
    assertThat(train("one", 1)).isEqualTo(alone);
    assertThat(train("three", 3)).isEqualTo(alone);
  }

  /** The heads' files as well: FlagEmbedding finds them beside the encoder's. */
  @Test
  void shouldGiveTheSameThreeHeadsForAnyNumberOfProcesses() throws Exception {
    Map<String, String> alone = trainHeads("heads-local", 0);
    assertThat(trainHeads("heads-two", 2)).isEqualTo(alone);
    assertThat(alone.values()).doesNotHaveDuplicates();
    Path given = Golden.settings(folder.resolve("unused"), 1, 0).modelPath();
    for (Map.Entry<String, String> file : alone.entrySet()) {
      assertThat(Sha256.of(given.resolve(file.getKey()))).isNotEqualTo(file.getValue());
    }
  }

  /** SHA-256 by file of a unified, self-distilled run. */
  private Map<String, String> trainHeads(String name, int workers) throws Exception {
    Path run = folder.resolve(name);
    Settings settings =
        Golden.settings(run, STEPS, workers)
            .with(
                Map.of(
                    "model.unified",
                    true,
                    "loss.self-distillation",
                    true,
                    "loss.self-distillation-start-step",
                    1));
    assertThat(run(settings, StopRequest.byHand())).isInstanceOf(Outcome.Finished.class);
    Map<String, String> sums = new TreeMap<>();
    for (String file : List.of("model.safetensors", "colbert_linear.pt", "sparse_linear.pt")) {
      sums.put(file, Sha256.of(run.resolve("model").resolve(file)));
    }
    return sums;
  }

  /** With attention's dropout too; that fp32 gives other bits shows that the factors were low. */
  @Test
  void shouldGiveTheSameWeightsForAnyNumberOfWorkersInLowPrecision() throws Exception {
    Map<String, Object> exact =
        Map.of("model.unified", true, "model.attention-dropout", 0.1, "precision", "fp32");
    String exactly = train("exact", 0, exact);
    for (String precision : List.of("bf16", "fp16")) {
      Map<String, Object> keys = new HashMap<>(exact);
      keys.put("precision", precision);
      String alone = train(precision + "-local", 0, keys);
      keys.put("gradient-checkpointing", true);
      assertThat(here(precision + "-two", 2, keys)).isEqualTo(alone);
      assertThat(alone).isNotEqualTo(exactly);
    }
  }

  /** The first update throws the weights far away, where every loss is NaN. */
  @Test
  void shouldStopAfterFiveStepsThatAreNotFiniteAndSaveTheModel() throws Exception {
    for (int workers : new int[] {0, 1}) {
      Path run = folder.resolve("broken-" + workers);
      Settings settings =
          Golden.settings(run, 50, workers)
              .with(Map.of("optimizer.learning-rate", 1e30, "optimizer.warmup-ratio", 0));
      Outcome outcome = run(settings, StopRequest.byHand());
      assertThat(outcome.exitCode()).isEqualTo(1);
      assertThat(outcome.sentence())
          .startsWith(
              "step 5: the loss is NaN; steps in a row that are not finite: 5 (expected: fewer than train.max-non-finite-steps); lower optimizer.learning-rate or mend the data; the batch's samples: ")
          .containsPattern("samples: (\\d+, ){15}\\d+; the model after 6 steps is in ");
      assertThat(run.resolve("model-after-6-steps/model.safetensors")).exists();
      List<String> lines = Files.readAllLines(run.resolve("metrics.jsonl"));
      assertThat(lines).hasSize(6);
      assertThat(lines.get(0)).contains("\"applied\":true");
      assertThat(lines.subList(1, 6)).allMatch(line -> line.contains("\"loss\":\"NaN\""));
    }
  }

  private String train(String name, int workers) throws Exception {
    return train(name, workers, Map.of());
  }

  private String train(String name, int workers, Map<String, Object> keys) throws Exception {
    Settings settings = Golden.settings(folder.resolve(name), STEPS, workers).with(keys);
    try (Job job = Job.open(settings);
        Watcher watcher = job.watching()) {
      return weights(job, job.run(watcher, StopRequest.byHand()));
    }
  }

  /** With all workers in this process, which is faster. */
  private String here(String name, int workers, Map<String, Object> keys) throws Exception {
    Settings settings = Golden.settings(folder.resolve(name), STEPS, 0).with(keys);
    try (Job job = Job.open(settings);
        Watcher watcher = job.watching()) {
      return weights(job, job.runHere(workers, watcher, StopRequest.byHand()));
    }
  }

  private static String weights(Job job, Outcome outcome) throws Exception {
    Path run = job.runFolder();
    assertThat(outcome).isInstanceOf(Outcome.Finished.class);
    assertThat(Files.readAllLines(run.resolve("metrics.jsonl"))).hasSize((int) STEPS);
    try (ModelFolder model = ModelFolder.open(run.resolve("model"))) {
      assertThat(model.weightsSha256()).isEqualTo(((Outcome.Finished) outcome).model().sha256());
      return model.weightsSha256();
    }
  }

  @Test
  void shouldEndWithTheModelOfTheStepUnderWayWhenAskedTo() throws Exception {
    Path run = folder.resolve("stopped");
    StopRequest stop = StopRequest.byHand();
    Settings settings = Golden.settings(run, 1_000_000, 0);
    Outcome outcome;
    try (Job job = Job.open(settings);
        Watcher watcher = job.watching(new StopAtFirstStep(stop))) {
      outcome = job.run(watcher, stop);
    }
    assertThat(outcome).isInstanceOf(Outcome.EndedEarly.class);
    long steps = ((Outcome.EndedEarly) outcome).steps();
    Path model = run.resolve("model-after-" + steps + "-steps/model.safetensors");
    assertThat(Sha256.of(model))
        .isEqualTo(((Outcome.EndedEarly) outcome).model().orElseThrow().sha256());
    assertThat(run.resolve("model")).doesNotExist();
    assertThat(outcome.exitCode()).isEqualTo(130);
  }

  @Test
  void shouldSayAChildsRefusalOnce() throws Exception {
    Path data = folder.resolve("data.jsonl");
    Files.writeString(data, "{\"query\": \"a\", \"pos\": [\"b\"]}\n");
    Settings settings =
        Golden.settings(folder.resolve("refused"), STEPS, 1).with(Map.of("data.files", data));
    try (Job job = Job.open(settings);
        Watcher watcher = job.watching()) {
      Files.delete(data);
      Outcome outcome = job.run(watcher, StopRequest.byHand());
      assertThat(outcome)
          .isEqualTo(
              new Outcome.Failed(data + ": no such file (expected: JSONL with query and pos)"));
    }
  }

  @Test
  void shouldLeaveAnotherRunsFolderAlone() throws Exception {
    Path run = folder.resolve("taken");
    try (Job job = Job.open(Golden.settings(run, STEPS, 0))) {
      assertThat(job.spec().steps()).isEqualTo(STEPS);
      Settings again = Golden.settings(run, STEPS, 0).with(Map.of("run.overwrite", true));
      assertThatThrownBy(() -> Job.open(again))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("has not ended");
    }
  }

  private static Outcome run(Settings settings, StopRequest stop) {
    try (Job job = Job.open(settings);
        Watcher watcher = job.watching()) {
      return job.run(watcher, stop);
    }
  }

  private record StopAtFirstStep(StopRequest stop) implements Watcher {
    @Override
    public void accept(RunEvent event) {
      if (event instanceof RunEvent.StepCommitted step && step.step() == 0) {
        stop.ask();
      }
    }

    @Override
    public void close() {}
  }
}
