package org.dunlin.data.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.dunlin.data.checkpoint.FaultyDisk.Fault;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A disk fails, a process dies or room runs out, at every single operation of a checkpoint after 40
 * steps that replaces one after 20: there is always a whole one, it is found, and what went wrong
 * is a sentence.
 */
class FaultyDiskTest {
  private static final int SHARES = 2;

  @TempDir Path temp;

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "OBJECTS")
  void shouldAlwaysLeaveAWholeCheckpoint(Fault fault) throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER)) {
      Path root = temp.resolve("checkpoints");
      CheckpointStore store = CheckpointStore.in(root);
      List<String> calm = operations(run, root);
      assertThat(calm).hasSizeGreaterThan(100);
      int completed = 0;
      int failed = 0;
      for (int at = 0; at < calm.size(); at++) {
        reset(store, run);
        FaultyDisk disk = new FaultyDisk(fault, at);
        Optional<String> sentence = attempt(run, disk.path(root));
        String where = "%s at %d, %s: %s".formatted(fault, at, calm.get(at), sentence);
        sentence.ifPresent(
            told -> assertThat(told).as(where).contains(temp.toString()).doesNotContain("\n"));
        failed += sentence.isPresent() ? 1 : 0;
        long steps = requireNewestWhole(store, run, where);
        completed += steps == 40 ? 1 : 0;
        if (sentence.isEmpty()) {
          assertThat(steps).as(where).isEqualTo(40);
        }
        if (fault == Fault.FULL) {
          assertThat(leftovers(root)).as(where).isEmpty();
        }
        // A later start, the disk in order again: what is left of the attempt is in nobody's way.
        assertThat(attempt(run, root)).as(where).isEmpty();
        assertThat(requireNewestWhole(store, run, where)).as(where).isEqualTo(40);
        assertThat(store.complete()).as(where).containsExactly(40L);
      }
      assertThat(completed).isPositive();
      assertThat(failed).isGreaterThan(calm.size() / 4);
    }
  }

  @Test
  void shouldSayThatADiskIsFullWhereThereIsNoCheckpointYet() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER)) {
      Path root = temp.resolve("checkpoints");
      FaultyDisk disk = new FaultyDisk(Fault.FULL, 0);
      assertThat(attempt(run, disk.path(root)).orElseThrow())
          .contains(
              "part-1-of-2-worker-1#1.safetensors: cannot be written: No space left on device");
      assertThat(CheckpointStore.in(root).newest(skipped -> {})).isEmpty();
    }
  }

  @Test
  void shouldWorkWhereThereAreNoLinksNoAtomicRenamesAndNoFileChannels() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER)) {
      FaultyDisk disk = new FaultyDisk(Fault.OBJECTS, 0);
      CheckpointStore store = CheckpointStore.in(disk.path(temp.resolve("checkpoints")));
      run.write(store, 20, SHARES);
      run.write(store, 40, SHARES);
      assertThat(requireNewestWhole(store, run, "objects")).isEqualTo(40);
      assertThat(disk.operations()).noneMatch(operation -> operation.startsWith("open"));
      store.keep(new Retention(1, 0, Set.of()));
      assertThat(store.complete()).containsExactly(40L);
    }
  }

  @Test
  void shouldSayThatADiskHasTooLittleRoomBeforeAnythingIsWritten() throws Exception {
    CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
    Refusal refusal = assertThrows(Refusal.class, () -> store.begin(20, 1L << 60));
    assertThat(refusal)
        .hasMessageMatching(
            ".*/checkpoints: the disk has [0-9]+ MB left \\(expected: at least 1152921504612 MB, which the state takes\\); make room there, or keep fewer checkpoints");
    assertThat(store.folder(20)).doesNotExist();
  }

  @Test
  void shouldTakeNothingFromACompleteCheckpointThatCannotBeReadJustNow() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER)) {
      Path root = temp.resolve("checkpoints");
      CheckpointStore store = CheckpointStore.in(root);
      run.write(store, 20, SHARES);
      for (int at = 0; at < 60; at++) {
        CheckpointStore faulty = CheckpointStore.in(new FaultyDisk(Fault.ONCE, at).path(root));
        try {
          assertThat(faulty.begin(20, 0)).isEmpty();
          faulty.abandon(20);
          faulty.keep(new Retention(1, 0, Set.of()));
        } catch (Refusal e) {
          assertThat(e.getMessage()).contains(root.toString());
        }
        assertThat(requireNewestWhole(store, run, "at " + at)).isEqualTo(20);
      }
    }
  }

  private static void reset(CheckpointStore store, SmallRun run) throws IOException {
    store.dropAfter(-1);
    run.write(store, 20, 1);
  }

  private List<String> operations(SmallRun run, Path root) throws IOException {
    reset(CheckpointStore.in(root), run);
    FaultyDisk disk = new FaultyDisk(Fault.ONCE, Long.MAX_VALUE);
    assertThat(attempt(run, disk.path(root))).isEmpty();
    return List.copyOf(disk.operations());
  }

  /** What the processes of a run do together after 40 steps; gives what went wrong. */
  private static Optional<String> attempt(SmallRun run, Path root) {
    CheckpointStore store = CheckpointStore.in(root);
    try {
      Optional<Path> folder = store.begin(40, 1000);
      if (folder.isPresent()) {
        try {
          List<CheckpointPart> parts = new ArrayList<>();
          for (int share = 0; share < SHARES; share++) {
            parts.add(run.write(folder.get(), 40, share, SHARES));
          }
          store.complete(
              run.manifest(40, parts, store.frozen(40, run.model(), run.spec())), SmallRun.CONF);
        } catch (IOException | Refusal e) {
          abandon(store, e);
          throw e;
        }
      }
      store.keep(new Retention(1, 0, Set.of()));
      return Optional.empty();
    } catch (IOException | Refusal e) {
      return Optional.of(e.getMessage());
    }
  }

  private static void abandon(CheckpointStore store, Exception cause) {
    try {
      store.abandon(40);
    } catch (Refusal e) {
      cause.addSuppressed(e);
    }
  }

  private static long requireNewestWhole(CheckpointStore store, SmallRun run, String where) {
    try (Checkpoint checkpoint = store.newest(skipped -> {}).orElseThrow()) {
      checkpoint.verify(file -> {});
      long steps = checkpoint.manifest().place().steps();
      assertThat(steps).as(where).isIn(20L, 40L);
      assertThat(SmallRun.read(checkpoint, run.tensors()).equals(run.state(steps)))
          .as(where)
          .isTrue();
      return steps;
    }
  }

  private static List<Path> leftovers(Path root) throws IOException {
    try (Stream<Path> all = Files.walk(root)) {
      return all.filter(file -> file.toString().endsWith(".partial")).toList();
    }
  }
}
