package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dunlin.data.model.ModelFolder;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Processes that are killed or asked to end in the middle of a run. */
@Tag("process")
class LostProcessTest {
  private static final long ENDLESS = 1_000_000;

  /** Enough to lose two workers on the way, and to see one come back. */
  private static final long STEPS = 240;

  private static final long SIGINT = 1 << 1;

  @TempDir private Path run;

  @TempDir private static Path calm;

  @BeforeAll
  static void trainCalmly() throws Exception {
    try (Trainer trainer = Trainer.start(calm, STEPS, 0)) {
      assertThat(trainer.awaitExit()).isZero();
    }
  }

  @Test
  @Tag("long") // as ChaosTest, every day
  void shouldGoOnToTheSameBitsWhenTheCoordinatorIsKilledAndAWorkerWithIt() throws Exception {
    Map<String, Object> keys = Golden.keys(run, STEPS, 2);
    keys.put("coordinator.standby", true);
    try (Trainer trainer = Trainer.start(run, keys)) {
      trainer.awaitLine("a standby is ready");

      Trainer.signal("KILL", List.of(trainer.process("coordinator"), trainer.process("worker-1")));

      trainer.awaitLine("the coordinator of term 2 goes on after ");
      trainer.awaitLine("worker worker-1#2 takes part from step ");
      assertThat(trainer.awaitExit()).isZero();
      Trainer.awaitEnd(trainer.family());
    }
    assertThat(Files.mismatch(weights(run), weights(calm))).isEqualTo(-1);
  }

  @Test
  @Tag("long") // as ChaosTest, every day, but for one that dies before the first step
  void shouldGoOnToTheSameBitsWhenAWorkerIsKilledOrHangs() throws Exception {
    try (Trainer trainer = Trainer.start(run, STEPS, 3)) {
      Trainer.signal("KILL", List.of(trainer.awaitProcess("worker-3"))); // before the first step
      trainer.awaitLine("worker-3 is started again, as worker worker-3#2");
      trainer.awaitLine("step 1/");
      List<ProcessHandle> family = trainer.family();
      assertThat(family).hasSize(5);

      Trainer.signal("KILL", List.of(trainer.process("worker-1")));
      trainer.awaitLine("worker worker-1#1 is gone; the run goes on with 2");
      trainer.awaitLine("worker worker-1#2 takes part from step ");
      Trainer.signal("STOP", List.of(trainer.process("worker-2")));
      trainer.awaitLine("worker worker-2#1 has been silent");
      Trainer.signal("CONT", List.of(trainer.process("worker-2")));

      assertThat(trainer.awaitExit()).isZero();
      Trainer.awaitEnd(family);
    }
    assertThat(Files.mismatch(weights(run), weights(calm))).isEqualTo(-1);
  }

  private static Path weights(Path run) {
    return run.resolve("model/model.safetensors");
  }

  @Test
  @Tag("long")
  void shouldPutAWorkerAsideThatDiesAgainAndAgain() throws Exception {
    try (Trainer trainer = Trainer.start(run, ENDLESS, 2)) {
      trainer.awaitLine("step 1/");
      for (int life = 1; life < 5; life++) {
        Trainer.signal("KILL", List.of(trainer.process("worker-2")));
        trainer.awaitLine("worker-2 is started again, as worker worker-2#" + (life + 1));
      }
      Trainer.signal("KILL", List.of(trainer.process("worker-2")));
      assertThat(trainer.awaitLine("worker-2 is put aside: "))
          .contains("died 5 times in a row", "exit code 137", run.resolve("logs").toString());
      trainer.awaitLine("step ");

      Trainer.signal("INT", List.of(trainer.process("supervisor")));

      assertThat(trainer.awaitExit()).isEqualTo(130);
      requireConsistentFolder(trainer);
    }
  }

  @Test
  @Tag("long") // it is given three minutes
  void shouldStartAWorkerAgainThatHangsBeforeItHasJoined() throws Exception {
    try (Trainer trainer = Trainer.start(run, STEPS, 2)) {
      Trainer.signal("STOP", List.of(trainer.awaitProcess("worker-2")));
      trainer.awaitLine("worker-2 (process ", 2 * Golden.LIMIT_SECONDS);
      trainer.awaitLine("worker-2 is started again, as worker worker-2#2");
      assertThat(trainer.awaitExit()).isZero();
    }
    assertThat(Files.mismatch(weights(run), weights(calm))).isEqualTo(-1);
  }

  @Test
  @Tag("long") // as ResumeTest, which has a checkpoint
  void shouldBeginAnewWhenTheLastWorkerIsKilledBeforeAnyCheckpoint() throws Exception {
    try (Trainer trainer = Trainer.start(run, ENDLESS, 1)) {
      trainer.awaitLine("step 1/");
      List<ProcessHandle> family = trainer.family();
      assertThat(family).hasSize(3);

      Trainer.signal("KILL", List.of(trainer.process("worker-1")));

      trainer.awaitLine("the run begins from its first state");
      trainer.awaitLine("step 1/");
      Trainer.signal("INT", trainer.family());
      assertThat(trainer.awaitExit()).isEqualTo(130);
      Trainer.awaitEnd(family);
    }
  }

  @Test
  void shouldGoOnToTheSameBitsWhenTheCoordinatorIsKilledOrHangsAndNobodyStandsBy()
      throws Exception {
    Map<String, Object> keys = Golden.keys(run, STEPS, 2);
    keys.put("coordinator.standby", false);
    keys.put("step.lease-ms", 1000);
    try (Trainer trainer = Trainer.start(run, keys)) {
      trainer.awaitLine("step 1/");
      Trainer.signal("KILL", List.of(trainer.process("coordinator")));
      trainer.awaitLine("the coordinator of term 2 goes on after ");
      Trainer.signal("STOP", List.of(trainer.process("coordinator")));
      assertThat(trainer.awaitLine("the coordinator (process ")).contains("silent for 12000 ms");
      trainer.awaitLine("the coordinator of term 3 goes on after ");
      assertThat(trainer.awaitExit()).isZero();
      Trainer.awaitEnd(trainer.family());
    }
    assertThat(Files.mismatch(weights(run), weights(calm))).isEqualTo(-1);
  }

  @Test
  void shouldLeaveNoChildWhenTheSupervisorIsKilled() throws Exception {
    try (Trainer trainer = Trainer.start(run, ENDLESS, 2)) {
      trainer.awaitLine("step 1/");
      List<ProcessHandle> family = trainer.family();

      Trainer.signal("KILL", List.of(trainer.process("supervisor")));

      Trainer.awaitEnd(family);
    }
  }

  @Test
  void shouldSaveTheModelWhenInterruptedLikeByATerminal() throws Exception {
    assumeFalse(ignoresInterrupts(), "a shell that starts this with & has it ignore SIGINT");
    try (Trainer trainer = Trainer.start(run, ENDLESS, 2)) {
      trainer.awaitLine("step 1/");
      List<ProcessHandle> family = trainer.family();

      Trainer.signal("INT", family); // Ctrl-C reaches the whole process group

      assertThat(trainer.awaitExit()).isEqualTo(130);
      assertThat(trainer.output()).last().asString().contains("(end of output)");
      requireConsistentFolder(trainer);
      Trainer.awaitEnd(family);
    }
  }

  @Test
  void shouldSaveTheModelWhenTerminatedInOneProcess() throws Exception {
    try (Trainer trainer = Trainer.start(run, ENDLESS, 0)) {
      trainer.awaitLine("step 1/");

      Trainer.signal("TERM", trainer.family());

      assertThat(trainer.awaitExit()).isEqualTo(130);
      requireConsistentFolder(trainer);
    }
  }

  // Whatever is ignored here is ignored by all that this process starts.
  private static boolean ignoresInterrupts() throws IOException {
    Path status = Path.of("/proc/self/status");
    return Files.exists(status)
        && Files.readAllLines(status).stream()
            .filter(line -> line.startsWith("SigIgn:"))
            .anyMatch(
                line -> (Long.parseUnsignedLong(line.substring(7).strip(), 16) & SIGINT) != 0);
  }

  private void requireConsistentFolder(Trainer trainer) throws Exception {
    int steps = Files.readAllLines(run.resolve("metrics.jsonl")).size();
    Path model = run.resolve("model-after-" + steps + "-steps");
    try (ModelFolder opened = ModelFolder.open(model)) {
      assertThat(opened.tensors()).isNotEmpty();
    }
    assertThat(trainer.output()).anyMatch(line -> line.startsWith("ended early after " + steps));
    assertThat(run.resolve("processes.json")).content().doesNotContain("pid");
    try (Stream<Path> files = Files.list(run)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .noneMatch(name -> name.endsWith(".partial") || name.endsWith(".next"));
    }
  }
}
