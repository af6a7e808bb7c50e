package org.dunlin.data.samples;

import static java.nio.file.StandardOpenOption.READ;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Refusal;

/**
 * The training data: JSONL files in FlagEmbedding's format, rows counted through all of them.
 *
 * <p>{@code SampleFiles.open(List.of(Path.of("train/")))} reads every file once, checks each line
 * and keeps only where it lies; {@link #read} then fetches a row from its file. The files must not
 * change while they are open: a row that does is refused, or gives another sample. Thread-safe;
 * close it.
 */
public final class SampleFiles implements AutoCloseable {
  private final List<SampleFile> files;
  private final List<FileChannel> channels;
  private final LineIndex index;
  private final String sha256;
  private final LongAdder rowsRead = new LongAdder();

  private SampleFiles(
      List<SampleFile> files, List<FileChannel> channels, LineIndex index, String sha256) {
    this.files = files;
    this.channels = channels;
    this.index = index;
    this.sha256 = sha256;
  }

  /**
   * Opens and checks files; the first thing wrong is a {@link Refusal}.
   *
   * @param paths files, or folders whose {@code .json} and {@code .jsonl} files are taken, sorted
   *     by name
   */
  public static SampleFiles open(List<Path> paths) {
    LineIndex index = new LineIndex();
    MessageDigest digest = Sha256.digest();
    SampleScan scan = new SampleScan(index, digest);
    List<FileChannel> channels = new ArrayList<>();
    List<SampleFile> files = new ArrayList<>();
    try {
      for (Path entry : paths) {
        for (Path file : filesOf(entry)) {
          int firstRow = index.rows();
          channels.add(openFile(file));
          FileFacts facts = scanFile(scan, file, channels.get(channels.size() - 1));
          files.add(new SampleFile(file, entry, firstRow, index.rows() - firstRow, facts));
        }
      }
      if (index.rows() == 0) {
        throw Refusal.run(
            "data %s: no rows (expected: at least one line with query and pos)".formatted(paths));
      }
    } catch (Refusal e) {
      closeAll(channels);
      throw e;
    }
    return new SampleFiles(
        List.copyOf(files),
        List.copyOf(channels),
        index,
        HexFormat.of().formatHex(digest.digest()));
  }

  /** In the order of their rows. */
  public List<SampleFile> files() {
    return files;
  }

  /** Rows of all files. */
  public int count() {
    return index.rows();
  }

  /** SHA-256 over all files' bytes in order, lower-case hexadecimal. */
  public String sha256() {
    return sha256;
  }

  /**
   * Reads a row.
   *
   * @param id from 0, below {@link #count}
   */
  public Sample read(long id) {
    if (id < 0 || id >= count()) {
      throw new IllegalArgumentException(
          "sample " + id + " (expected: 0 to " + (count() - 1) + ")");
    }
    int row = (int) id;
    int file = fileOf(row);
    ByteBuffer bytes = ByteBuffer.allocate(index.lengthBytes(row));
    try {
      long at = index.startByte(row);
      while (bytes.hasRemaining()) {
        if (channels.get(file).read(bytes, at + bytes.position()) < 0) {
          throw changed(file, row, "ends before it");
        }
      }
      Sample sample = SampleLine.parse(id, bytes.array(), 0, bytes.capacity());
      rowsRead.increment();
      return sample;
    } catch (SampleLine.Fault e) {
      throw changed(file, row, e.getMessage());
    } catch (ClosedChannelException e) {
      throw new IllegalStateException("sample " + id + " was read after its files were closed", e);
    } catch (IOException e) {
      throw Refusal.run(files.get(file).path() + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /** How many rows {@link #read} has given since the files were opened. */
  public long rowsRead() {
    return rowsRead.sum();
  }

  @Override
  public void close() {
    closeAll(channels);
  }

  private int fileOf(int row) {
    int file = 0;
    int above = files.size();
    while (above - file > 1) {
      int middle = (file + above) >>> 1;
      if (files.get(middle).firstRow() <= row) {
        file = middle;
      } else {
        above = middle;
      }
    }
    return file;
  }

  private Refusal changed(int file, int row, String what) {
    return Refusal.run(
        "%s: changed while it was used: the row at byte %d: %s (expected: files that stay as they are)"
            .formatted(files.get(file).path(), index.startByte(row), what));
  }

  private static List<Path> filesOf(Path path) {
    if (!Files.isDirectory(path)) {
      return List.of(path);
    }
    try (Stream<Path> entries = Files.list(path)) {
      List<Path> files =
          entries
              .filter(
                  file -> file.toString().endsWith(".json") || file.toString().endsWith(".jsonl"))
              .filter(Files::isRegularFile)
              .sorted()
              .toList();
      if (files.isEmpty()) {
        throw Refusal.usage(path + ": the folder has no .json or .jsonl file");
      }
      return files;
    } catch (IOException e) {
      throw Refusal.usage(path + ": cannot be listed: " + e.getMessage());
    }
  }

  private static FileChannel openFile(Path file) {
    if (!Files.exists(file)) {
      throw Refusal.usage(file + ": no such file (expected: JSONL with query and pos)");
    }
    try {
      return FileChannel.open(file, READ);
    } catch (IOException e) {
      throw Refusal.usage(file + ": cannot be opened: " + e.getMessage());
    }
  }

  private static FileFacts scanFile(SampleScan scan, Path file, FileChannel channel) {
    try {
      return scan.file(file, channel);
    } catch (IOException e) {
      throw Refusal.run(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static void closeAll(List<FileChannel> channels) {
    for (FileChannel channel : channels) {
      try {
        channel.close();
      } catch (IOException e) {
        // Nothing was written; there is nothing to lose.
      }
    }
  }
}
