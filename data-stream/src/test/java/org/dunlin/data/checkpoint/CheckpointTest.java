package org.dunlin.data.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.dunlin.data.model.SafetensorsFile;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes into a checkpoint comes out of it, bit for bit, or is refused by name. */
class CheckpointTest {
  private static final int FLIPS = 150;

  @TempDir Path temp;

  @ParameterizedTest
  @EnumSource
  void shouldGiveBackTheSameStateHoweverManyWroteIt(Frozen frozen) throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), frozen)) {
      for (int shares : new int[] {1, 2, 3, 5, 80}) {
        CheckpointStore store = CheckpointStore.in(temp.resolve("by-" + shares));
        run.write(store, 20, shares);
        try (Checkpoint checkpoint = store.newest(this::unexpected).orElseThrow()) {
          assertThat(SmallRun.read(checkpoint, run.tensors()).equals(run.state(20))).isTrue();
          assertThat(checkpoint.manifest().parts()).hasSize(shares);
          assertThat(checkpoint.manifest().frozen().isPresent())
              .isEqualTo(frozen != Frozen.NOTHING);
          assertThat(checkpoint.runConf()).isEqualTo(SmallRun.CONF);
          checkpoint.verify(file -> {});
        }
      }
    }
  }

  @Test
  void shouldCutLargeTensorsIntoMibs() throws Exception {
    // 3.1 MiB of word embeddings
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.NOTHING, 400_000, 2)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      run.write(store, 20, 2);
      try (Checkpoint checkpoint = store.at(20)) {
        assertThat(SmallRun.read(checkpoint, run.tensors()).equals(run.state(20))).isTrue();
        List<StateChunk.Piece> pieces = checkpoint.pieces();
        assertThat(pieces.stream().limit(4).map(StateChunk.Piece::floats))
            .containsExactly(262_144, 262_144, 262_144, 13_568);
        assertThat(pieces.get(4).kind()).isEqualTo(Kind.FIRST_MOMENT);
        assertThat(pieces.get(4).firstElement()).isZero();
      }
    }
  }

  @Test
  void shouldKeepEverythingThatIsNoTensor() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.POSITIONS)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      Path folder = store.begin(20, 0).orElseThrow();
      List<CheckpointPart> parts = List.of(run.write(folder, 20, 0, 1));
      Manifest written = run.manifest(20, parts, store.frozen(20, run.model(), run.spec()));
      store.complete(written, SmallRun.CONF);
      try (Checkpoint checkpoint = store.at(20)) {
        Manifest read = checkpoint.manifest();
        assertThat(read.with(Map.of())).isEqualTo(written);
        assertThat(read.texts().keySet()).containsExactlyInAnyOrder("run.conf", "README.md");
      }
      assertThat(Files.readString(folder.resolve("README.md")))
          .startsWith("# small after 20 of 100 steps\n")
          .contains("| `part-1-of-1-worker-1#1.safetensors` |")
          .contains("dunlin export");
    }
  }

  @Test
  void shouldWriteFilesThatAnyReaderOfSafetensorsTakes() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      run.write(store, 20, 1);
      Path part = store.folder(20).resolve("part-1-of-1-worker-1#1.safetensors");
      try (SafetensorsFile file = SafetensorsFile.open(part)) {
        assertThat(file.tensors().stream().map(Tensor::name))
            .startsWith("parameter.colbert_linear.weight", "first-moment.colbert_linear.weight")
            .hasSize(12);
      }
    }
  }

  @Test
  void shouldLinkWhatIsNotTrained() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      run.write(store, 20, 1);
      run.write(store, 40, 2);
      Path earlier = store.folder(20).resolve("frozen.safetensors");
      assertThat(Files.isSameFile(earlier, store.folder(40).resolve("frozen.safetensors")))
          .isTrue();
      store.keep(new Retention(1, 0, Set.of()));
      assertThat(earlier).doesNotExist();
      assertNewest(store, run, 40);
    }
  }

  @Test
  void shouldNotLinkWhatIsSpoiled() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      run.write(store, 20, 1);
      Path spoiled = store.folder(20).resolve("frozen.safetensors");
      byte[] bytes = Files.readAllBytes(spoiled);
      bytes[bytes.length - 1] ^= 1;
      Files.write(spoiled, bytes);
      run.write(store, 40, 1);
      assertNewest(store, run, 40);
    }
  }

  @Test
  void shouldLeaveNothingOfAWriterWhoseShareAnotherHasWritten() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.NOTHING)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      Path folder = store.begin(20, 0).orElseThrow();
      run.write(folder, 20, 1, 2);
      List<CheckpointPart> parts = List.of(run.write(folder, 20, 0, 1));
      Files.writeString(folder.resolve(".part-1-of-2-worker-1#1.safetensors.7-1.partial"), "half");
      store.complete(run.manifest(20, parts, Optional.empty()), SmallRun.CONF);
      assertThat(files(folder).stream().map(file -> file.getFileName().toString()))
          .containsExactly(
              "README.md", "manifest.json", "part-1-of-1-worker-1#1.safetensors", "run.conf");
      Manifest again = run.manifest(20, parts, Optional.empty());
      assertThatThrownBy(() -> store.complete(again, "")).hasMessageContaining("complete already");
      assertNewest(store, run, 20);
    }
  }

  @Test
  void shouldSayWhichDunlinReadsAnotherFormat() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.NOTHING)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      run.write(store, 20, 1);
      Path manifest = store.folder(20).resolve(Manifest.NAME);
      String text = Files.readString(manifest);
      Files.writeString(manifest, text.replace("\"format\" : 1,", "\"format\" : 2,"));
      assertThat(text).isNotEqualTo(Files.readString(manifest));
      assertThatThrownBy(() -> store.at(20))
          .isInstanceOf(Refusal.class)
          .hasMessage(
              manifest
                  + ": is of format 2 (expected: 1); read it with the Dunlin that wrote it, 0.1.0");
    }
  }

  @Test
  void shouldRefuseAFolderThatIsNone() throws Exception {
    Path file = Files.writeString(temp.resolve("file"), "");
    assertThatThrownBy(() -> CheckpointStore.in(file).begin(20, 0))
        .isInstanceOf(Refusal.class)
        .hasMessage(file + "/step-000020: cannot be made: Not a directory");
    assertThatThrownBy(() -> CheckpointStore.in(file).newest(this::unexpected))
        .isInstanceOf(Refusal.class)
        .hasMessage(file + ": cannot be read: is a file (expected: a folder)");
  }

  @Test
  void shouldSayWhichCheckpointsThereAre() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.NOTHING)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      run.write(store, 20, 1);
      run.write(store, 1_234_567, 1);
      assertThat(store.folder(1_234_567)).isDirectory().hasFileName("step-1234567");
      assertThatThrownBy(() -> store.at(40))
          .isInstanceOf(Refusal.class)
          .hasMessageEndingWith(
              "there is no checkpoint after 40 steps (expected: one of [1234567, 20])");
      store.dropAfter(20);
      assertThat(store.complete()).containsExactly(20L);
      assertThat(store.begin(20, 0)).isEmpty();
      store.abandon(20);
      assertNewest(store, run, 20);
    }
  }

  @Test
  void shouldRefuseASetOfPartsThatIsNotTheState() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.NOTHING)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      Path folder = store.begin(20, 0).orElseThrow();
      CheckpointPart first = run.write(folder, 20, 0, 2);
      CheckpointPart second = run.write(folder, 20, 1, 2);
      CheckpointPart all = run.write(folder, 20, 0, 1);
      assertThatThrownBy(() -> run.manifest(20, List.of(first), Optional.empty()))
          .hasMessageContaining("tensors are in no part, such as");
      assertThatThrownBy(() -> run.manifest(20, List.of(first, second, all), Optional.empty()))
          .hasMessageContaining("is there twice or is no part of the run");
      assertThatThrownBy(() -> run.manifest(20, List.of(first, first), Optional.empty()))
          .hasMessageContaining(first.file() + ": is there twice (expected: once)");
      Files.delete(folder.resolve(second.file()));
      Manifest manifest = run.manifest(20, List.of(first, second), Optional.empty());
      assertThatThrownBy(() -> store.complete(manifest, SmallRun.CONF))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining(second.file() + ": is not there");
      assertThat(store.complete()).isEmpty();
      assertThat(store.newest(sentence -> {})).isEmpty();
    }
  }

  @Test
  void shouldRefuseValuesOutOfTurn() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.NOTHING)) {
      Tensor tensor = new Tensor("t", List.of(300_000L));
      List<StateTensor> tensors = List.of(new StateTensor(Kind.PARAMETER, tensor));
      try (PartWriter part = PartWriter.create(temp, "worker-1#1", 0, 1, tensors)) {
        ByteBuffer some = ByteBuffer.allocate(400);
        assertThatThrownBy(() -> part.put(Kind.FIRST_MOMENT, "t", 0, some))
            .hasMessageContaining("(expected: parameter.t from element 0)");
        assertThatThrownBy(() -> part.put(Kind.PARAMETER, "t", 100, some))
            .hasMessageContaining("(expected: parameter.t from element 0)");
        assertThatThrownBy(() -> part.put(Kind.PARAMETER, "t", 0, some))
            .hasMessageContaining("to byte 400 of 1200000 (expected: to a whole MiB or the end)");
        assertThatThrownBy(part::finish).hasMessageContaining("parameter.t was never written");
      }
      try (Stream<Path> files = Files.list(temp)) {
        assertThat(files.map(Path::getFileName).map(Path::toString)).containsExactly("model");
      }
      assertThat(run.spec().steps()).isEqualTo(100);
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void shouldNameAFlippedBitWhereverItIsAndTakeTheOneBefore(long seed) throws Exception {
    Random random = new Random(seed);
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.POSITIONS)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      run.write(store, 20, 2);
      run.write(store, 40, 3);
      List<Path> files = files(store.folder(40));
      for (int flip = 0; flip < FLIPS; flip++) {
        // Every second one hits the file on which all others depend.
        Path file =
            flip % 2 == 0
                ? store.folder(40).resolve(Manifest.NAME)
                : files.get(random.nextInt(files.size()));
        byte[] whole = Files.readAllBytes(file);
        byte[] flipped = whole.clone();
        flipped[random.nextInt(whole.length)] ^= (byte) (1 << random.nextInt(8));
        // Frozen files are links: the one before must not change with it.
        Files.delete(file);
        Files.write(file, flipped);
        assertThat(damage(store)).as("%s of %s", flip, file).isPresent();
        assertThat(damage(store).orElseThrow())
            .contains(file.getFileName().toString())
            .doesNotContain("\n");
        assertNewestSound(store, run, 20);
        Files.write(file, whole);
      }
      assertThat(damage(store)).isEmpty();
    }
  }

  @Test
  void shouldNameAFileThatIsCutShortOrMissingAndTakeTheOneBefore() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.POSITIONS)) {
      CheckpointStore store = CheckpointStore.in(temp.resolve("checkpoints"));
      run.write(store, 20, 2);
      run.write(store, 40, 3);
      for (Path file : files(store.folder(40))) {
        byte[] whole = Files.readAllBytes(file);
        Files.delete(file);
        assertSkipped(store, run, file);
        for (int length : new int[] {0, 1, 7, 8, whole.length / 2, whole.length - 2}) {
          Files.deleteIfExists(file);
          Files.write(file, Arrays.copyOf(whole, length));
          if (!file.toString().matches(".*(run.conf|README.md)")) { // their bytes are read later
            assertSkipped(store, run, file);
          }
          assertThat(damage(store).orElseThrow()).contains(file.getFileName().toString());
        }
        Files.write(file, whole);
      }
      assertNewest(store, run, 40);
    }
  }

  private static void assertSkipped(CheckpointStore store, SmallRun run, Path file) {
    List<String> skipped = new ArrayList<>();
    try (Checkpoint checkpoint = store.newest(skipped::add).orElseThrow()) {
      assertThat(SmallRun.read(checkpoint, run.tensors()).equals(run.state(20))).isTrue();
    }
    assertThat(skipped).hasSize(1);
    assertThat(skipped.get(0))
        .startsWith("checkpoint after 40 steps skipped: ")
        .contains(file.getFileName().toString());
  }

  /** What is wrong with the one after 40 steps, by all that can be known. */
  private static Optional<String> damage(CheckpointStore store) {
    try (Checkpoint checkpoint = store.at(40)) {
      checkpoint.verify(file -> {});
      return Optional.empty();
    } catch (Refusal e) {
      return Optional.of(e.getMessage());
    }
  }

  /** A resuming run's way: what turns out not to be sound while it is read is passed over. */
  private static void assertNewestSound(CheckpointStore store, SmallRun run, long expected) {
    long before = Long.MAX_VALUE;
    while (true) {
      try (Checkpoint checkpoint = store.newestBefore(before, skipped -> {}).orElseThrow()) {
        long steps = checkpoint.manifest().place().steps();
        before = steps;
        Map<StateTensor, ByteBuffer> state = SmallRun.read(checkpoint, run.tensors());
        assertThat(state.equals(run.state(steps))).isTrue(); // never others, whatever was flipped
        assertThat(steps).isIn(expected, 40L); // a README's bit spoils no value
        return;
      } catch (Refusal e) {
        assertThat(before).isGreaterThan(expected);
      }
    }
  }

  private void assertNewest(CheckpointStore store, SmallRun run, long steps) {
    try (Checkpoint checkpoint = store.newest(this::unexpected).orElseThrow()) {
      assertThat(checkpoint.manifest().place().steps()).isEqualTo(steps);
      assertThat(SmallRun.read(checkpoint, run.tensors()).equals(run.state(steps))).isTrue();
      checkpoint.verify(file -> {});
    }
  }

  private void unexpected(String skipped) {
    throw new AssertionError(skipped);
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.sorted(Comparator.naturalOrder()).toList();
    }
  }
}
