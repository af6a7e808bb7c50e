package org.dunlin.data.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.dunlin.data.checkpoint.FaultyDisk.Fault;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CopyOffered;
import org.dunlin.protocol.message.RunBytes;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A copy on another machine holds the same bytes; whatever its disk does, and whatever is sent, the
 * copies before it stay whole.
 */
class RunCopyTest {
  private static final String RUN = "quick-0123456789ab";
  private static final String LEDGER = "ledger-000001.bin";

  @TempDir Path temp;

  private SmallRun run;
  private Path runFolder;
  private Path copies;
  private CheckpointStore first;

  @BeforeEach
  void open() throws Exception {
    run = SmallRun.in(temp.resolve("model"), Frozen.POSITIONS);
    runFolder = Files.createDirectory(temp.resolve("run"));
    copies = temp.resolve("copies");
    first = CheckpointStore.in(runFolder.resolve(CheckpointStore.FOLDER));
    Files.writeString(runFolder.resolve(CheckpointStore.RUN_CONF), SmallRun.CONF);
    Files.writeString(runFolder.resolve("dunlin.log"), "not sent");
    Files.write(runFolder.resolve("ledger-000002.bin"), new byte[0]);
    ledger("of 20 steps");
    run.write(first, 20, 2);
  }

  @AfterEach
  void close() {
    run.close();
  }

  @Test
  void shouldHoldTheRunsRecordsAndEachCheckpointThatTheFirstFolderHolds() throws Exception {
    try (RunCopy copy = RunCopy.open(copies, RUN)) {
      send(copy, offer(20));
      ledger("of 20 steps, and of 40");
      run.write(first, 40, 2);
      send(copy, offer(40));
      requireSame(20);
      requireSame(40);
      first.keep(new Retention(1, 0, Set.of()));
      run.write(first, 60, 2);
      send(copy, offer(60));
    }
    assertThat(kept().complete()).containsExactly(60L, 40L);
    Path folder = copies.resolve(RUN);
    for (String record : List.of(LEDGER, "ledger-000002.bin")) {
      assertThat(folder.resolve(record)).hasSameBinaryContentAs(runFolder.resolve(record));
    }
    assertThat(folder.resolve(CheckpointStore.RUN_CONF))
        .hasContent(SmallRun.CONF + "\ncheckpoint.folder = \"\"\n");
    try (Stream<Path> all = Files.list(folder)) {
      assertThat(all.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder(
              LEDGER, "ledger-000002.bin", CheckpointStore.RUN_CONF, "checkpoints", RunCopy.LOCK);
    }
  }

  @Test
  void shouldReadToTheEndWhatIsRemovedMeanwhile() {
    try (RunCopy copy = RunCopy.open(copies, RUN);
        RunFiles files = files(20)) {
      assertThat(copy.begin(offer(20))).isTrue();
      copy.put(files.next().orElseThrow());
      first.dropAfter(0);
      for (Optional<RunBytes> piece = files.next(); piece.isPresent(); piece = files.next()) {
        copy.put(piece.get());
      }
      copy.finish();
      assertThat(kept().complete()).containsExactly(20L);
    }
  }

  @Test
  void shouldNeedNothingWhereASoundOneOfTheSameStepsIs() throws Exception {
    try (RunCopy copy = RunCopy.open(copies, RUN)) {
      send(copy, offer(20));
      assertThat(copy.begin(offer(20))).isFalse();
      Path part = kept().folder(20).resolve("part-1-of-2-worker-1#1.safetensors");
      byte[] bytes = Files.readAllBytes(part);
      bytes[bytes.length / 2] ^= 4;
      Files.write(part, bytes);
      send(copy, offer(20));
      requireSame(20);
    }
  }

  @Test
  void shouldDropWhatTheRunHasRenouncedAndNotBeforeTheNextOneIsThere() throws Exception {
    run.write(first, 40, 2);
    try (RunCopy copy = RunCopy.open(copies, RUN)) {
      send(copy, offer(40));
      first.dropAfter(20);
      try (RunFiles files = files(20)) {
        copy.begin(offer(20));
        for (RunBytes piece = next(files);
            piece.file().startsWith("checkpoints/");
            piece = next(files)) {
          copy.put(piece);
          assertThat(kept().complete()).containsExactly(40L);
        }
      }
      copy.abandon();
      send(copy, offer(20));
      assertThat(kept().complete()).containsExactly(20L);
    }
  }

  private static RunBytes next(RunFiles files) {
    return files.next().orElseThrow();
  }

  @Test
  void shouldReplaceOneOfAnotherPastThatHasAsManySteps() throws Exception {
    try (RunCopy copy = RunCopy.open(copies, RUN)) {
      send(copy, offer(20));
      first.dropAfter(0);
      run.write(first, 20, 1); // in other files
      send(copy, offer(20));
      requireSame(20);
    }
  }

  @Test
  void shouldKeepWhatItHasJustGotAndNothingThatADeathLeft() throws Exception {
    Files.createDirectories(kept().folder(10));
    try (RunCopy copy = RunCopy.open(copies, RUN)) {
      CopyOffered offer = offer(20);
      run.write(first, 40, 2);
      first.keep(new Retention(1, 0, Set.of()));
      CopyOffered late = offer(40);
      run.write(first, 20, 2); // which the first folder has dropped by then
      send(
          copy,
          new CopyOffered(
              offer.term(),
              1,
              RUN,
              20,
              offer.manifestSha256(),
              offer.bytes(),
              offer.records(),
              late.complete(),
              null,
              null));
    }
    assertThat(kept().complete()).containsExactly(20L);
    assertThat(kept().incomplete()).isEmpty();
  }

  @Test
  void shouldSendEachFileAfterThoseThatItBuildsOn() {
    List<String> records = List.of("term", "records-2.jsonl", "records-10.jsonl", "id");
    try {
      for (String record : records) {
        Files.writeString(runFolder.resolve(record), "");
      }
      try (RunFiles files =
          RunFiles.open(
              runFolder, name -> name.startsWith("ledger-") || records.contains(name), first, 20)) {
        List<String> names =
            Stream.generate(files::next)
                .takeWhile(Optional::isPresent)
                .map(piece -> piece.get().file())
                .distinct()
                .toList();
        assertThat(names)
            .endsWith(
                "term",
                "records-2.jsonl",
                "records-10.jsonl",
                LEDGER,
                "ledger-000002.bin",
                "id",
                CheckpointStore.RUN_CONF,
                "checkpoints/step-000020/manifest.json");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void shouldLeaveAFolderAloneThatARunHasGoneOnIn() throws Exception {
    try (RunCopy copy = RunCopy.open(copies, RUN)) {
      send(copy, offer(20));
      assertThatThrownBy(() -> RunCopy.open(copies, RUN))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining(RUN + ": is in use by another worker, or by a run that goes on");
      Files.writeString(copies.resolve(RUN).resolve("metrics.jsonl"), "{}");
      run.write(first, 40, 2);
      assertThatThrownBy(() -> copy.begin(offer(40)))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining(RUN + ": holds metrics.jsonl, so a run has gone on in it");
      assertThat(kept().complete()).containsExactly(20L);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../out",
        "/tmp/out",
        ".lock",
        "checkpoints/step-000040/a",
        "other",
        "metrics.jsonl",
        "checkpoints/step-000020/../../out",
        "checkpoints/step-000020/",
        "checkpoints",
        ""
      })
  void shouldWriteNoFileThatIsNotTheCopys(String name) {
    try (RunCopy copy = RunCopy.open(copies, RUN)) {
      copy.begin(offer(20));
      ByteBuffer bytes = ByteBuffer.allocate(2);
      assertThatThrownBy(() -> copy.put(new RunBytes(name, 0, 2, bytes)))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("a file named '%s' came".formatted(name));
    }
    assertThatThrownBy(() -> RunCopy.open(copies, "../" + RUN)).isInstanceOf(Refusal.class);
  }

  @Test
  void shouldTakeNoCheckpointForWholeOfWhichAPieceIsMissingOrSpoiled() {
    try (RunFiles files = files(20)) {
      long pieces = Stream.generate(files::next).takeWhile(Optional::isPresent).count();
      assertThat(pieces).isGreaterThan(5);
      for (long lost = 0; lost < pieces; lost++) {
        requireRefused(lost, false);
        requireRefused(lost, true);
      }
    }
  }

  private void requireRefused(long at, boolean isLost) {
    try (RunCopy copy = RunCopy.open(copies, RUN);
        RunFiles files = files(20)) {
      assertThat(copy.begin(offer(20))).isTrue();
      boolean isCheckpoints = true;
      boolean refused = false;
      try {
        long n = 0;
        for (Optional<RunBytes> next = files.next(); next.isPresent(); next = files.next(), n++) {
          RunBytes piece = next.get();
          if (n != at) {
            copy.put(piece);
            continue;
          }
          isCheckpoints = piece.file().startsWith("checkpoints/");
          if (!isLost) {
            copy.put(spoiled(piece));
          }
        }
        copy.finish();
      } catch (Refusal e) {
        refused = true;
        copy.abandon();
      }
      assertThat(refused || !isCheckpoints).as("%d, lost: %s", at, isLost).isTrue();
      assertThat(kept().complete().isEmpty()).isEqualTo(refused);
      kept().dropAfter(0);
    }
  }

  private static RunBytes spoiled(RunBytes piece) {
    ByteBuffer bytes = ByteBuffer.allocate(piece.bytes().remaining());
    bytes.put(piece.bytes().duplicate()).flip();
    if (bytes.hasRemaining()) {
      bytes.put(0, (byte) (bytes.get(0) ^ 1));
    }
    return new RunBytes(piece.file(), piece.at(), piece.fileBytes(), bytes);
  }

  /** As {@link FaultyDiskTest}, for the disk of the worker that keeps the copy. */
  @ParameterizedTest
  @EnumSource(names = {"ONCE", "KILL", "FULL"})
  void shouldAlwaysLeaveAWholeCopy(Fault fault) throws Exception {
    run.write(first, 40, 2);
    FaultyDisk calm = new FaultyDisk(Fault.ONCE, Long.MAX_VALUE);
    assertThat(attempt(calm)).isEmpty();
    int operations = calm.operations().size();
    assertThat(operations).isGreaterThan(100);
    int failed = 0;
    for (int at = 0; at < operations; at++) {
      Optional<String> sentence = attempt(new FaultyDisk(fault, at));
      String where = "%s at %d, %s: %s".formatted(fault, at, calm.operations().get(at), sentence);
      failed += sentence.isPresent() ? 1 : 0;
      sentence.ifPresent(told -> assertThat(told).as(where).contains(temp.toString()));
      try (Checkpoint checkpoint = kept().newest(skipped -> {}).orElseThrow()) {
        checkpoint.verify(file -> {});
        long steps = checkpoint.manifest().place().steps();
        assertThat(steps).as(where).isIn(20L, 40L);
        assertThat(sentence.isPresent() || steps == 40).as(where).isTrue();
      }
      // The disk in order again: what is left of the attempt is in nobody's way.
      try (RunCopy copy = RunCopy.open(copies, RUN)) {
        send(copy, offer(40));
      }
      requireSame(40);
    }
    assertThat(failed).isGreaterThan(operations / 4);
  }

  // The copy of 20 steps is there, and one of 40 comes.
  private Optional<String> attempt(FaultyDisk disk) throws Exception {
    try (RunCopy copy = RunCopy.open(copies, RUN)) {
      kept().dropAfter(0);
      send(copy, offer(20));
    }
    try (RunCopy copy = RunCopy.open(disk.path(copies), RUN)) {
      try {
        send(copy, offer(40));
        return Optional.empty();
      } catch (Refusal e) {
        copy.abandon();
        throw e;
      }
    } catch (Refusal e) {
      return Optional.of(e.getMessage());
    }
  }

  private void send(RunCopy copy, CopyOffered offer) throws Exception {
    if (!copy.begin(offer)) {
      return;
    }
    try (RunFiles files = files(offer.steps())) {
      for (Optional<RunBytes> next = files.next(); next.isPresent(); next = files.next()) {
        copy.put(next.get());
      }
    }
    copy.finish();
  }

  private RunFiles files(long steps) {
    return RunFiles.open(runFolder, name -> name.startsWith("ledger-"), first, steps);
  }

  private CopyOffered offer(long steps) {
    try (RunFiles files = files(steps)) {
      return new CopyOffered(
          new Term(1),
          1,
          RUN,
          steps,
          files.manifestSha256(),
          files.bytes(),
          files.records(),
          first.complete(),
          null,
          null);
    }
  }

  private void ledger(String text) throws Exception {
    Files.writeString(runFolder.resolve(LEDGER), text);
  }

  private CheckpointStore kept() {
    return CheckpointStore.in(copies.resolve(RUN).resolve(CheckpointStore.FOLDER));
  }

  private void requireSame(long steps) throws Exception {
    try (Stream<Path> all = Files.list(first.folder(steps))) {
      List<Path> files = all.toList();
      assertThat(files).hasSizeGreaterThan(4);
      for (Path file : files) {
        assertThat(kept().folder(steps).resolve(file.getFileName())).hasSameBinaryContentAs(file);
      }
    }
  }
}
