package org.dunlin.data.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.dunlin.data.checkpoint.FaultyDisk.Fault;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Two folders hold the same bytes; whatever one disk does, the other one's are found. */
class CheckpointFoldersTest {
  private static final int FLIPS = 60;

  @TempDir Path temp;

  private SmallRun run;
  private Path first;
  private Path second;
  private CheckpointFolders folders;
  private final List<String> told = new ArrayList<>();

  @BeforeEach
  void open() throws Exception {
    run = SmallRun.in(temp.resolve("model"), Frozen.POSITIONS);
    first = temp.resolve("first");
    second = temp.resolve("second");
    folders = CheckpointFolders.of(first, Optional.of(second));
  }

  @AfterEach
  void close() {
    run.close();
  }

  @Test
  void shouldCopyEveryByteAndLinkWhatDoesNotChange() throws Exception {
    write(20);
    write(40);
    for (long steps : List.of(20L, 40L)) {
      List<Path> files = files(folders.first().folder(steps));
      assertThat(files(copy(steps))).hasSameSizeAs(files);
      for (Path file : files) {
        assertThat(Files.mismatch(file, copy(steps).resolve(file.getFileName()))).isEqualTo(-1);
      }
    }
    Path frozen = Path.of("frozen.safetensors");
    assertThat(inode(copy(40).resolve(frozen))).isEqualTo(inode(copy(20).resolve(frozen)));
    assertThat(inode(copy(40).resolve(frozen)))
        .isNotEqualTo(inode(folders.first().folder(40).resolve(frozen)));
    assertThat(newest()).isEqualTo(40);
    assertThat(told).isEmpty();
  }

  /** Two names of one folder are not seen before there is something in it. */
  @Test
  void shouldNotTakeACheckpointForAnOlderCopyOfItself() throws Exception {
    Files.createDirectory(first);
    Files.createSymbolicLink(second, first);
    run.write(folders.first(), 20, 1);
    assertThatThrownBy(() -> folders.copy(20))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("is the checkpoint itself (expected: another folder");
    assertThat(newest()).isEqualTo(20);
  }

  @Test
  void shouldReplaceACopyOfOtherStepsThatHadTheSameNumber() throws Exception {
    write(40);
    folders.first().dropAfter(0);
    run.write(folders.first(), 40, 1);
    folders.copy(40);
    assertThat(files(copy(40)).stream().map(Path::getFileName).toList())
        .isEqualTo(files(folders.first().folder(40)).stream().map(Path::getFileName).toList());
  }

  @Test
  void shouldReadTheCopyWhereverABitIsFlippedAndSayIt() throws Exception {
    Random random = new Random(5);
    write(20);
    write(40);
    List<Path> files = files(folders.first().folder(40));
    for (int flip = 0; flip < FLIPS; flip++) {
      Path file = files.get(random.nextInt(files.size()));
      byte[] whole = Files.readAllBytes(file);
      byte[] flipped = whole.clone();
      flipped[random.nextInt(whole.length)] ^= (byte) (1 << random.nextInt(8));
      Files.delete(file); // which may be a link
      Files.write(file, flipped);
      told.clear();
      assertThat(newest()).isEqualTo(40);
      assertThat(told).hasSize(1);
      assertThat(told.get(0))
          .startsWith("the checkpoint after 40 steps is read from its copy " + copy(40) + ", ")
          .contains(file.toString())
          .doesNotContain("\n");
      assertThat(folders.folder(40)).isEqualTo(copy(40));
      Files.write(file, whole);
    }
    told.clear();
    assertThat(newest()).isEqualTo(40);
    assertThat(folders.folder(40)).isEqualTo(folders.first().folder(40));
    assertThat(told).isEmpty();
  }

  @Test
  void shouldTakeAnEarlierOneWhereBothAreSpoiled() throws Exception {
    write(20);
    write(40);
    for (Path folder : List.of(folders.first().folder(40), copy(40))) {
      Path part =
          files(folder).stream().filter(file -> file.toString().contains("part-")).toList().get(0);
      byte[] bytes = Files.readAllBytes(part);
      bytes[bytes.length - 1] ^= 1;
      Files.write(part, bytes);
    }
    assertThat(newest()).isEqualTo(20);
    assertThat(told).hasSize(1);
    assertThat(told.get(0))
        .startsWith("checkpoint after 40 steps skipped: " + folders.first().folder(40))
        .contains("; and of its copy: " + copy(40));
    assertThatThrownBy(() -> folders.at(40, this::sound, told::add)).isInstanceOf(Refusal.class);
    assertThatThrownBy(() -> folders.at(30, this::sound, told::add))
        .hasMessageContaining("there is no checkpoint after 30 steps (expected: one of [40, 20])");
  }

  @Test
  void shouldFindCopiesWhereTheFirstFolderIsLost() throws Exception {
    write(20);
    folders.first().dropAfter(0);
    assertThat(folders.complete()).containsExactly(20L);
    assertThat(newest()).isEqualTo(20);
    try (Checkpoint checkpoint = folders.open(20)) {
      assertThat(sound(checkpoint)).isEqualTo(20);
    }
    assertThat(told).hasSize(1);
  }

  @Test
  void shouldNotHangOnTheSecondFolder() throws Exception {
    write(20);
    CheckpointFolders broken = CheckpointFolders.of(first, Optional.of(temp.resolve("a-file")));
    Files.writeString(temp.resolve("a-file"), "");
    assertThat(broken.complete()).containsExactly(20L);
    assertThat(broken.newest(this::sound, told::add)).hasValue(20L);
    assertThat(told).hasSize(1);
    assertThat(told.get(0)).contains("a-file", "is a file (expected: a folder)");
    assertThatThrownBy(() -> broken.copy(20))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("a-file");
  }

  @Test
  void shouldKeepAndDropCopiesAsTheFirst() throws Exception {
    for (long steps = 10; steps <= 40; steps += 10) {
      write(steps);
      folders.keep(new Retention(2, 0, Set.of(10L)));
      folders.keepCopies(new Retention(2, 0, Set.of(10L)));
    }
    assertThat(folders.first().complete()).containsExactly(40L, 30L, 10L);
    assertThat(CheckpointStore.in(second).complete()).containsExactly(40L, 30L, 10L);
    folders.dropAfter(10);
    assertThat(folders.complete()).containsExactly(10L);
  }

  /** The second disk fails, its process dies or its room runs out at every operation of a copy. */
  @ParameterizedTest
  @EnumSource(names = {"ONCE", "KILL", "FULL"})
  void shouldAlwaysLeaveTheFirstAndNoHalfCopy(Fault fault) throws Exception {
    write(20);
    run.write(folders.first(), 40, 2);
    List<String> calm = new ArrayList<>();
    FaultyDisk counting = new FaultyDisk(Fault.ONCE, Long.MAX_VALUE);
    assertThat(copyOnto(counting)).isEmpty();
    calm.addAll(counting.operations());
    assertThat(calm).hasSizeGreaterThan(40);
    int failed = 0;
    for (int at = 0; at < calm.size(); at++) {
      CheckpointStore.in(second).dropAfter(20);
      Optional<String> sentence = copyOnto(new FaultyDisk(fault, at));
      String where = "%s at %d, %s: %s".formatted(fault, at, calm.get(at), sentence);
      failed += sentence.isPresent() ? 1 : 0;
      sentence.ifPresent(
          why -> assertThat(why).as(where).contains(temp.toString()).doesNotContain("\n"));
      if (sentence.isEmpty() || CheckpointStore.in(second).complete().contains(40L)) {
        try (Checkpoint checkpoint = CheckpointStore.in(second).at(40)) {
          assertThat(sound(checkpoint)).as(where).isEqualTo(40);
        }
      }
      told.clear();
      assertThat(newest()).as(where).isEqualTo(40);
      assertThat(told).as(where).isEmpty();
      assertThat(CheckpointStore.in(second).complete()).as(where).contains(20L);
      if (fault == Fault.FULL) {
        assertThat(CheckpointStore.in(second).incomplete()).as(where).isEmpty();
      }
      folders.copy(40); // the disk in order again: what is left is in nobody's way
      try (Checkpoint checkpoint = CheckpointStore.in(second).at(40)) {
        assertThat(sound(checkpoint)).as(where).isEqualTo(40);
      }
    }
    assertThat(failed).isGreaterThan(calm.size() / 4);
  }

  @Test
  void shouldNotCopyWhatTheFirstDiskHasSpoiledMeanwhile() throws Exception {
    run.write(folders.first(), 40, 1);
    Path part =
        files(folders.first().folder(40)).stream()
            .filter(file -> file.toString().contains("part-"))
            .toList()
            .get(0);
    byte[] bytes = Files.readAllBytes(part);
    bytes[bytes.length - 1] ^= 1;
    Files.write(part, bytes);
    assertThatThrownBy(() -> folders.copy(40))
        .isInstanceOf(Refusal.class)
        .hasMessageMatching(
            ".*part-1-of-1.*: SHA-256 is .* \\(expected: .*\\); the file was changed");
    assertThat(CheckpointStore.in(second).incomplete()).isEmpty();
  }

  private Optional<String> copyOnto(FaultyDisk disk) {
    try {
      CheckpointFolders.of(first, Optional.of(disk.path(second))).copy(40);
      return Optional.empty();
    } catch (Refusal e) {
      return Optional.of(e.getMessage());
    }
  }

  private void write(long steps) throws IOException {
    run.write(folders.first(), steps, 2);
    folders.copy(steps);
  }

  private long newest() {
    return folders.newest(this::sound, told::add).orElseThrow();
  }

  private long sound(Checkpoint checkpoint) {
    checkpoint.verify(file -> {});
    long steps = checkpoint.manifest().place().steps();
    assertThat(SmallRun.read(checkpoint, run.tensors()).equals(run.state(steps))).isTrue();
    return steps;
  }

  private Path copy(long steps) {
    return CheckpointStore.in(second).folder(steps);
  }

  private static Object inode(Path file) throws IOException {
    return Files.getAttribute(file, "unix:ino");
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.sorted(Comparator.naturalOrder()).toList();
    }
  }
}
