package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
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
  private record Source(String name, SeekableByteChannel channel, long bytes) {}

  private final List<Source> sources = new ArrayList<>();
  private final List<String> records = new ArrayList<>();
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
      for (Path file : Disk.entries(runFolder)) {
        String name = file.getFileName().toString();
        if (isRecord.test(name)) {
          files.records.add(name);
          files.add(name, file);
        }
      }
      files.add(CheckpointStore.RUN_CONF, runFolder.resolve(CheckpointStore.RUN_CONF));
      Manifest manifest = checkpoint.manifest();
      List<String> names = new ArrayList<>(manifest.texts().keySet());
      manifest.files().stream().map(CheckpointPart::file).forEach(names::add);
      names.add(Manifest.NAME);
      String folder = CheckpointStore.FOLDER + "/" + checkpoint.folder().getFileName() + "/";
      for (String name : names) {
        files.add(folder + name, checkpoint.folder().resolve(name));
      }
      return files;
    } catch (IOException e) {
      files.close();
      throw Refusal.run(runFolder + ": cannot be read: " + Disk.why(e), e);
    } catch (RuntimeException e) {
      files.close();
      throw e;
    }
  }

  private void add(String name, Path file) throws IOException {
    SeekableByteChannel channel = Files.newByteChannel(file, StandardOpenOption.READ);
    sources.add(new Source(name, channel, channel.size()));
  }

  /** All of them together. */
  public long bytes() {
    return sources.stream().mapToLong(Source::bytes).sum();
  }

  /** The names of the records. */
  public List<String> records() {
    return List.copyOf(records);
  }

  /** The next piece, the checkpoint's manifest last; empty when all were read. */
  public Optional<RunBytes> next() {
    if (source == sources.size()) {
      return Optional.empty();
    }
    Source from = sources.get(source);
    ByteBuffer bytes = ByteBuffer.allocate((int) Math.min(StateChunk.MAX_BYTES, from.bytes() - at));
    try {
      while (bytes.hasRemaining()) {
        if (from.channel().read(bytes) < 0) {
          throw new IOException(
              "the file has become shorter than %d bytes".formatted(from.bytes()));
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
