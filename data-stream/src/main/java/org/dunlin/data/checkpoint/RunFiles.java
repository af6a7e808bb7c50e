package org.dunlin.data.checkpoint;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.RunBytes;
import org.dunlin.protocol.message.StateChunk;

/**
 * The files from which a run can go on in another folder: a complete checkpoint and the run's
 * records, as far as they go now, which is further than the checkpoint. All are opened at once, so
 * that what is removed meanwhile is read to its end.
 *
 * <p>One thread at a time, which may wait for the disk. Close it.
 */
public final class RunFiles implements AutoCloseable {
  // In the copy checkpoints lie beside the settings.
  private static final String OWN_FOLDER = "\ncheckpoint.folder = \"\"\n";

  // Terms before records before ledgers, and older ones of a kind before newer ones: wherever a
  // copy
  // is cut off, each file has those that it builds on.
  private static final Comparator<String> ORDER =
      Comparator.comparing((String name) -> name.split("-", 2)[0], Comparator.reverseOrder())
          .thenComparingInt(String::length)
          .thenComparing(Comparator.naturalOrder());

  private record Source(String name, ReadableByteChannel channel, long bytes) {}

  private final List<Source> sources = new ArrayList<>();
  private final List<String> records = new ArrayList<>();
  private String manifestSha256 = "";
  private int source;
  private long at;

  private RunFiles() {}

  /**
   * Opens them; what is missing is a Refusal.
   *
   * @param runFolder of the run
   * @param isRecord which of its files are records, by their names
   * @param checkpoints of the run
   * @param steps of a complete one of them
   */
  public static RunFiles open(
      Path runFolder, Predicate<String> isRecord, CheckpointStore checkpoints, long steps) {
    RunFiles files = new RunFiles();
    try (Checkpoint checkpoint = checkpoints.at(steps)) {
      files.add(runFolder, isRecord);
      files.add(checkpoint);
      return files;
    } catch (IOException e) {
      files.close();
      throw Refusal.run(runFolder + ": cannot be read: " + Disk.why(e), e);
    } catch (RuntimeException e) {
      files.close();
      throw e;
    }
  }

  // Opened the other way round: a record that is ahead of its ledger is what any death leaves.
  private void add(Path runFolder, Predicate<String> isRecord) throws IOException {
    Disk.entries(runFolder).stream()
        .map(file -> file.getFileName().toString())
        .filter(isRecord)
        .sorted(ORDER)
        .forEach(records::add);
    for (String name : records.reversed()) {
      sources.addFirst(open(name, runFolder.resolve(name)));
    }
    String settings = Files.readString(runFolder.resolve(CheckpointStore.RUN_CONF)) + OWN_FOLDER;
    byte[] bytes = settings.getBytes(StandardCharsets.UTF_8);
    ReadableByteChannel channel = Channels.newChannel(new ByteArrayInputStream(bytes));
    sources.add(new Source(CheckpointStore.RUN_CONF, channel, bytes.length));
  }

  // Before the records, but for the manifest, which is last.
  private void add(Checkpoint checkpoint) throws IOException {
    Manifest manifest = checkpoint.manifest();
    List<String> names = new ArrayList<>(manifest.texts().keySet());
    manifest.files().stream().map(CheckpointPart::file).forEach(names::add);
    String folder = CheckpointStore.FOLDER + "/" + Disk.name(checkpoint.folder()) + "/";
    for (String name : names) {
      sources.addFirst(open(folder + name, checkpoint.folder().resolve(name)));
    }
    Path file = checkpoint.folder().resolve(Manifest.NAME);
    sources.add(open(folder + Manifest.NAME, file));
    manifestSha256 = Sha256.of(file);
  }

  private static Source open(String name, Path file) throws IOException {
    SeekableByteChannel channel = Files.newByteChannel(file, StandardOpenOption.READ);
    return new Source(name, channel, channel.size());
  }

  /** All of them together. */
  public long bytes() {
    return sources.stream().mapToLong(Source::bytes).sum();
  }

  /** The names of the records. */
  public List<String> records() {
    return List.copyOf(records);
  }

  /** Of the checkpoint's manifest, which has those of its other files. */
  public String manifestSha256() {
    return manifestSha256;
  }

  /** The next piece; empty when all were read. */
  public Optional<RunBytes> next() {
    if (source == sources.size()) {
      return Optional.empty();
    }
    Source from = sources.get(source);
    ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(StateChunk.MAX_BYTES, from.bytes() - at));
    try {
      while (bytes.hasRemaining()) {
        if (from.channel().read(bytes) < 0) {
          throw new IOException("the file has become shorter than " + from.bytes() + " bytes");
        }
      }
    } catch (IOException e) {
      throw Refusal.run(from.name() + ": cannot be read: " + Disk.why(e), e);
    }
    RunBytes piece = new RunBytes(from.name(), at, from.bytes(), bytes.flip().asReadOnlyBuffer());
    at += bytes.remaining();
    if (piece.isLast()) {
      source++;
      at = 0;
    }
    return Optional.of(piece);
  }

  @Override
  public void close() {
    for (Source one : sources) {
      try {
        one.channel().close();
      } catch (IOException e) {
        // It was only read from.
      }
    }
  }
}
