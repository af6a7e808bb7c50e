package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.dunlin.conf.launch.LedgerCheck;
import org.dunlin.conf.launch.LedgerRequest;
import org.dunlin.data.checkpoint.Checkpoint;
import org.dunlin.data.checkpoint.CheckpointFolders;
import org.dunlin.data.model.Sha256;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints on the coordinator's disk alone, and with a second copy. */
@Tag("process")
class CheckpointPlacesTest {
  private static final long STEPS = 120;
  private static final long FEW_STEPS = 20;
  private static final long EVERY = 10;
  private static final String INVITATION = "  dunlin worker --join ";

  @TempDir private Path temp;

  @TempDir private static Path calm;

  @BeforeAll
  static void trainCalmly() {
    Golden.train(Golden.keys(calm.resolve("run"), STEPS, 0), STEPS);
  }

  /**
   * The checkpoint folder is named by each process's own working folder: workers, which have
   * others, have none under that name.
   */
  @Test
  void shouldNeedNoFolderThatWorkersSee() throws Exception {
    Path run = temp.resolve("run");
    Map<String, Object> keys = keys(run, STEPS, 2);
    keys.put("checkpoint.writer", "one");
    keys.put("checkpoint.folder", "/proc/self/cwd/kept");
    keys.put("cluster.host", "127.0.0.1");
    keys.put("cluster.port", 0);
    killWhileSharesAreSent(run, keys);
    Path kept = temp.resolve("coordinator/kept");
    assertThat(newest(kept)).isDirectoryNotContaining("glob:**manifest.json");
    long newestWhole = CheckpointFolders.of(kept, Optional.empty()).complete().get(0);
    assertThat(tensors(kept.resolve("step-000010")))
        .containsOnlyKeys("part-1-of-2-first#1.safetensors", "part-2-of-2-second#1.safetensors");
    assertThat(temp.resolve("workers")).isEmptyDirectory();

    Map<String, Object> alone = keys(run, STEPS, 0);
    alone.put("run.resume", "newest");
    alone.put("checkpoint.folder", kept);
    List<String> notes = Golden.train(alone, STEPS);
    assertThat(notes)
        .anyMatch(
            note ->
                note.startsWith(
                    "the run goes on from its checkpoint after %d steps".formatted(newestWhole)));
    requireCalmBits(run);
  }

  /** A limit on the size of files is a full disk for the process that has it alone. */
  @Test
  void shouldGoOnWhereTheDiskIsFullOrAMemberIsKilledWhileItSends() throws Exception {
    Path run = temp.resolve("run");
    Map<String, Object> keys = keys(run, STEPS, 2);
    keys.put("checkpoint.writer", "one");
    Path kept = run.resolve("checkpoints");
    Path spoiled;
    try (Trainer trainer = Trainer.start(run, keys)) {
      trainer.awaitLine("checkpoint: ");
      limitFiles(trainer.process("coordinator"), "200000");
      assertThat(trainer.awaitLineWith(" is not made: "))
          .contains("-of-2-worker-", "cannot be written: File too large; the run goes on")
          .doesNotContain("did not come to its end"); // which would be the member's fault
      limitFiles(trainer.process("coordinator"), "unlimited");
      trainer.awaitLine("checkpoint: ");

      ProcessHandle sender = trainer.process("worker-1");
      spoiled = awaitPart(kept, "-worker-1#1.safetensors.");
      sender.destroyForcibly();
      trainer.awaitLine("worker worker-1#1 is gone");
      assertThat(trainer.awaitExit()).isZero();
    }
    List<Long> made = CheckpointFolders.of(kept, Optional.empty()).complete();
    for (long steps : made) {
      try (Checkpoint one = Checkpoint.open(kept.resolve(name(steps)))) {
        one.verify(file -> {});
      }
    }
    // It is begun again at the next commit.
    long of = Long.parseLong(spoiled.getFileName().toString().substring("step-".length()));
    assertThat(made).doesNotContain(of).anyMatch(steps -> of < steps && steps < of + EVERY);
    requireCalmBits(run);
  }

  private static void limitFiles(ProcessHandle process, String bytes) throws Exception {
    assertThat(
            new ProcessBuilder("prlimit", "--pid=" + process.pid(), "--fsize=" + bytes + ":")
                .inheritIO()
                .start()
                .waitFor())
        .isZero();
  }

  // Without a pause: a share is on its way for some milliseconds.
  private static Path awaitPart(Path checkpoints, String name) throws Exception {
    long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(Golden.LIMIT_SECONDS);
    while (true) {
      Path checkpoint = newest(checkpoints);
      if (hasPart(checkpoint, name)) {
        return checkpoint;
      }
      assertThat(System.nanoTime()).as("no share is sent").isLessThan(untilNs);
    }
  }

  private static String name(long steps) {
    return "step-%06d".formatted(steps);
  }

  private static boolean hasPart(Path checkpoint, String name) throws IOException {
    try (Stream<Path> all = Files.list(checkpoint)) {
      return all.anyMatch(
          file -> file.toString().endsWith(".partial") && file.toString().contains(name));
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  @Test
  void shouldWriteTheFilesThatMembersWouldHaveWritten() throws Exception {
    Path all = temp.resolve("all");
    Path one = temp.resolve("one");
    assertThat(Golden.train(keys(all, FEW_STEPS, 0), FEW_STEPS))
        .noneMatch(note -> note.contains("copy"));
    Map<String, Object> keys = keys(one, FEW_STEPS, 0);
    keys.put("checkpoint.writer", "one");
    assertThat(Golden.train(keys, FEW_STEPS)).noneMatch(note -> note.contains("copy"));
    for (String step : List.of("step-000010", "step-000020")) {
      assertThat(tensors(one.resolve("checkpoints").resolve(step)))
          .isNotEmpty()
          .isEqualTo(tensors(all.resolve("checkpoints").resolve(step)));
    }
  }

  @Test
  void shouldGoOnFromTheCopyOfACheckpointThatTheDiskHasSpoiled() throws Exception {
    Path run = temp.resolve("run");
    Map<String, Object> keys = keys(run, STEPS, 0);
    keys.put("checkpoint.copy", temp.resolve("copies"));
    Golden.train(keys, 35);
    Path newest = newest(run.resolve("checkpoints"));
    Path copy = temp.resolve("copies").resolve(newest.getFileName());
    assertThat(tensors(copy)).isNotEmpty().isEqualTo(tensors(newest));
    Path part = newest.resolve(tensors(newest).keySet().iterator().next());
    byte[] bytes = Files.readAllBytes(part);
    bytes[bytes.length / 2] ^= 4;
    Files.write(part, bytes);

    keys.put("run.resume", "newest");
    List<String> notes = Golden.train(keys, STEPS);
    assertThat(notes)
        .filteredOn(note -> note.contains(newest.toString()))
        .singleElement()
        .asString()
        .contains(" steps is read from its copy " + copy + ", because " + part);
    requireCalmBits(run);
  }

  /**
   * Two addresses are two machines here. The first worker's disk takes nothing, so the second one
   * keeps the copy; then all processes are killed, and the coordinator's disk is lost.
   */
  @Test
  void shouldGoOnFromAWorkersCopyWhereTheCoordinatorsDiskIsLost() throws Exception {
    Path run = temp.resolve("run");
    Map<String, Object> keys = keys(run, STEPS, 2);
    keys.put("checkpoint.writer", "one");
    keys.put("cluster.host", "127.0.0.1");
    keys.put("cluster.port", 0);
    keys.put("checkpoint.folder", temp.resolve("kept")); // of that machine, as the run folder
    Path bad = Files.writeString(temp.resolve("file"), "").resolve("copies");
    Path good = temp.resolve("copies");
    try (Trainer coordinator = Trainer.coordinator(run, keys)) {
      String at = coordinator.awaitLine(INVITATION).substring(INVITATION.length());
      try (Trainer first = elsewhere("127.0.0.2", bad, at, "first");
          Trainer second = elsewhere("127.0.0.3", good, at, "second")) {
        assertThat(coordinator.awaitLineWith(" has no copy on 127.0.0.2: "))
            .contains(bad + "/train-", "; the run goes on");
        coordinator.awaitLine("a worker on 127.0.0.3 keeps a copy of the run's checkpoints, in ");
        second.awaitLineWith("dunlin coordinator --resume --output " + good);
        coordinator.awaitLine("checkpoint: ");
        List<ProcessHandle> all = new ArrayList<>(coordinator.family());
        all.addAll(first.family());
        all.addAll(second.family());
        Trainer.signal("KILL", all);
        Trainer.awaitEnd(all);
        assertThat(coordinator.output()).noneMatch(line -> line.contains("disk alone"));
      }
    }
    Files.move(run, temp.resolve("lost"));
    Files.move(temp.resolve("kept"), temp.resolve("lost too"));

    Path copy = newest(good);
    List<String> command =
        List.of("train", "--resume", "--output", copy.toString(), "--workers", "0");
    try (Trainer next = Trainer.on(List.of(), command)) {
      next.awaitLine("the run goes on from its checkpoint after ");
      assertThat(next.awaitExit()).as("of %s", next.output()).isZero();
    }
    requireCalmBits(copy);
  }

  private static Trainer elsewhere(String host, Path copies, String at, String name)
      throws Exception {
    return Trainer.worker(
        Map.of(),
        "--join",
        at,
        "--name",
        name,
        "--host",
        host,
        "--threads",
        "1",
        "--wait",
        "30s",
        "--copies",
        copies.toString());
  }

  private void killWhileSharesAreSent(Path run, Map<String, Object> keys) throws Exception {
    Path elsewhere = Files.createDirectory(temp.resolve("workers"));
    Path here = Files.createDirectory(temp.resolve("coordinator"));
    try (Trainer coordinator = Trainer.coordinatorIn(here, run, keys)) {
      String at = coordinator.awaitLine(INVITATION).substring(INVITATION.length());
      try (Trainer first = worker(elsewhere, at, "first");
          Trainer second = worker(elsewhere, at, "second")) {
        coordinator.awaitLine("checkpoint: ");
        List<ProcessHandle> all = new ArrayList<>(coordinator.family());
        all.addAll(first.family());
        all.addAll(second.family());
        awaitPart(here.resolve("kept"), ".partial");
        all.forEach(ProcessHandle::destroyForcibly);
        Trainer.awaitEnd(all);
      }
    }
  }

  private static Trainer worker(Path folder, String at, String name) throws Exception {
    return Trainer.workerIn(
        folder, "--join", at, "--name", name, "--threads", "1", "--wait", "30s");
  }

  private static Map<String, Object> keys(Path run, long steps, int workers) {
    Map<String, Object> keys = new HashMap<>(Golden.keys(run, steps, workers));
    keys.put("checkpoint.every-steps", EVERY);
    keys.put("checkpoint.keep-last", 100);
    return keys;
  }

  private static Path newest(Path folder) throws Exception {
    try (Stream<Path> all = Files.list(folder)) {
      return all.max(Comparator.naturalOrder()).orElseThrow();
    }
  }

  private static Map<String, String> tensors(Path checkpoint) throws Exception {
    Map<String, String> found = new HashMap<>();
    try (Stream<Path> all = Files.list(checkpoint)) {
      for (Path file : all.filter(one -> one.toString().endsWith(".safetensors")).toList()) {
        found.put(file.getFileName().toString(), Sha256.of(file));
      }
    }
    return found;
  }

  private static void requireCalmBits(Path run) throws Exception {
    String weights = "model/model.safetensors";
    assertThat(Sha256.of(run.resolve(weights)))
        .isEqualTo(Sha256.of(calm.resolve("run").resolve(weights)));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    LedgerCheck.run(
        new LedgerRequest(run, false, OptionalLong.empty()),
        new PrintStream(out, true, StandardCharsets.UTF_8));
    assertThat(out.toString(StandardCharsets.UTF_8)).contains("each counted exactly once");
  }
}
