package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.function.Consumer;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.LedgerCheck;
import org.dunlin.conf.launch.LedgerRequest;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs that lose all that held their state, and go on from a checkpoint to the same bits. */
@Tag("process")
class ResumeTest {
  private static final long STEPS = 120;
  private static final int TIMES = 20;
  private static final long MANY_STEPS = 2400; // more than twenty lives get to

  @TempDir private Path run;

  @TempDir private static Path calm;

  @BeforeAll
  static void trainCalmly() {
    assertThat(train(Golden.keys(calm.resolve("run"), STEPS, 0), Watcher.all(List.of())))
        .isInstanceOf(Outcome.Finished.class);
  }

  @Test
  void shouldGoBackToTheNewestCheckpointWhenAllWorkersAreKilled() throws Exception {
    Map<String, Object> keys = keys(2);
    keys.put("checkpoint.writer", "one"); // so that a share may be on its way when its member dies
    try (Trainer trainer = Trainer.start(run, keys)) {
      trainer.awaitLine("checkpoint: ");
      Trainer.signal("KILL", List.of(trainer.process("worker-1"), trainer.process("worker-2")));
      trainer.awaitLine("the run goes on from its checkpoint after ");
      assertThat(trainer.awaitExit()).isZero();
    }
    requireCalmBits();
  }

  @Test
  void shouldGoOnWithAnotherNumberOfWorkersWhenEverythingWasKilled() throws Exception {
    try (Trainer trainer = Trainer.start(run, keys(2))) {
      trainer.awaitLine("checkpoint: ");
      killAll(trainer);
    }
    assertThat(train(resuming(0), Watcher.all(List.of()))).isInstanceOf(Outcome.Finished.class);
    requireCalmBits();
  }

  @Test
  void shouldLoseNothingWhenItWasStoppedInOrder() throws Exception {
    StopRequest stop = StopRequest.byHand();
    Map<String, Object> keys = Golden.keys(run, STEPS, 0);
    Outcome early = train(keys, at(30, stop::ask), stop);
    assertThat(early).isInstanceOf(Outcome.EndedEarly.class);
    long stopped = ((Outcome.EndedEarly) early).steps();
    assertThat(run.resolve("checkpoints").resolve("step-%06d".formatted(stopped))).isDirectory();

    Map<String, Object> changed = resuming(0);
    changed.put("optimizer.learning-rate", 0.5);
    assertThatThrownBy(() -> train(changed, Watcher.all(List.of())))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("optimizer.learning-rate is not what the run began with");

    assertThat(train(resuming(0), Watcher.all(List.of()))).isInstanceOf(Outcome.Finished.class);
    requireCalmBits();
    assertThatThrownBy(() -> train(resuming(0), Watcher.all(List.of())))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("its run has finished");
  }

  @Test
  void shouldSkipACheckpointThatTheDiskHasSpoiled() throws Exception {
    StopRequest stop = StopRequest.byHand();
    train(keys(0), at(35, stop::ask), stop);
    Path newest =
        run.resolve("checkpoints")
            .resolve("step-%06d".formatted(newestCheckpoint(run.resolve("checkpoints"))));
    try (var files = Files.list(newest)) {
      Path part =
          files.filter(file -> file.toString().endsWith(".safetensors")).findFirst().orElseThrow();
      byte[] bytes = Files.readAllBytes(part);
      bytes[bytes.length / 2] ^= 4;
      Files.write(part, bytes);
    }
    StringBuilder said = new StringBuilder();
    Watcher listener = listening(event -> said.append(event).append('\n'));
    assertThat(train(resuming(0), listener)).isInstanceOf(Outcome.Finished.class);
    assertThat(said.toString()).contains(newest.getFileName().toString());
    requireCalmBits();
  }

  @Test
  void shouldNotTakeAnotherRunsCheckpointsForItsOwn() {
    Map<String, Object> first = Golden.keys(run.resolve("first"), 2, 0);
    first.put("checkpoint.folder", run.resolve("shared"));
    first.put("checkpoint.every-steps", 1);
    assertThat(train(first, Watcher.all(List.of()))).isInstanceOf(Outcome.Finished.class);
    Map<String, Object> second = new HashMap<>(first);
    second.put("run.output", run.resolve("second"));
    assertThatThrownBy(() -> train(second, Watcher.all(List.of())))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("holds checkpoints already");
  }

  /**
   * Twenty times in a row, at moments that a seed draws, with other numbers of workers:
   *
   * <pre>
   * mvn verify -pl it -am -Dtest=ResumeTest -Dsurefire.failIfNoSpecifiedTests=false \
   *     -Dgroups=long -DexcludedGroups= -Dtest.limit="1 h" -Dfork.limitSeconds=0
   * </pre>
   */
  @Test
  @Tag("long")
  void shouldGoOnTwentyTimesInARow() throws Exception {
    Path calmly = run.resolve("calm");
    assertThat(train(Golden.keys(calmly, MANY_STEPS, 0), Watcher.all(List.of())))
        .isInstanceOf(Outcome.Finished.class);
    Path killed = run.resolve("killed");
    Random random = new Random(Long.getLong("dunlin.resume.seed", 1));
    Map<String, Object> keys = keys(killed, MANY_STEPS, 2);
    for (int time = 0; time < TIMES; time++) {
      try (Trainer trainer = Trainer.start(killed, keys)) {
        trainer.awaitLine("checkpoint: ");
        Thread.sleep(random.nextInt(2000)); // the moment is the draw's, not a wait for anything
        killAll(trainer);
      }
      assertThat(killed.resolve("model")).doesNotExist();
      keys = keys(killed, MANY_STEPS, random.nextInt(4));
      keys.put("run.resume", "newest");
    }
    assertThat(train(keys, Watcher.all(List.of()))).isInstanceOf(Outcome.Finished.class);
    requireSameBits(killed, calmly);
  }

  private static long newestCheckpoint(Path folder) throws Exception {
    try (var all = Files.list(folder)) {
      return all.map(path -> path.getFileName().toString())
          .filter(name -> name.startsWith("step-"))
          .mapToLong(name -> Long.parseLong(name.substring("step-".length())))
          .max()
          .orElseThrow();
    }
  }

  private static void killAll(Trainer trainer) throws Exception {
    List<ProcessHandle> family = trainer.family();
    Trainer.signal("KILL", family);
    Trainer.awaitEnd(family);
  }

  private Map<String, Object> keys(int workers) {
    return keys(run, STEPS, workers);
  }

  private static Map<String, Object> keys(Path run, long steps, int workers) {
    Map<String, Object> keys = Golden.keys(run, steps, workers);
    keys.put("checkpoint.every-steps", 10);
    return keys;
  }

  private Map<String, Object> resuming(int workers) {
    Map<String, Object> keys = keys(workers);
    keys.put("run.resume", "newest");
    return keys;
  }

  private static Outcome train(Map<String, Object> keys, Watcher watcher) {
    return train(keys, watcher, StopRequest.byHand());
  }

  private static Outcome train(Map<String, Object> keys, Watcher watcher, StopRequest stop) {
    try (Job job = Job.open(Settings.load(Optional.empty(), keys));
        Watcher all = job.watching(watcher)) {
      return job.run(all, stop);
    }
  }

  private static Watcher at(long steps, Runnable action) {
    return listening(
        event -> {
          if (event instanceof RunEvent.StepCommitted step && step.step() + 1 == steps) {
            action.run();
          }
        });
  }

  private static Watcher listening(Consumer<RunEvent> consumer) {
    return new Watcher() {
      @Override
      public void accept(RunEvent event) {
        consumer.accept(event);
      }

      @Override
      public void close() {}
    };
  }

  private void requireCalmBits() throws Exception {
    requireSameBits(run, calm.resolve("run"));
  }

  private static void requireSameBits(Path run, Path calm) throws Exception {
    String weights = "model/model.safetensors";
    assertThat(Files.mismatch(run.resolve(weights), calm.resolve(weights))).isEqualTo(-1);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    LedgerCheck.run(
        new LedgerRequest(run, false, OptionalLong.empty()),
        new PrintStream(out, true, StandardCharsets.UTF_8));
    assertThat(out.toString(StandardCharsets.UTF_8)).contains("each counted exactly once");
  }
}
