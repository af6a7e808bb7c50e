package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;
import org.dunlin.data.model.FloatType;
import org.dunlin.data.model.SafetensorsHeader;
import org.dunlin.data.model.Sha256;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.CheckpointPart.Content;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;

/**
 * Writes one share of a state into a checkpoint's folder, front to back in one pass. The file has
 * its name only when it is whole and on the disk.
 *
 * <pre>{@code
 * try (PartWriter part = PartWriter.create(folder, "worker-2#1", share, shares, tensors)) {
 *   pieces.forEach(piece -> part.put(piece.kind(), piece.tensor(), piece.first(), copied(piece)));
 *   tell(part.finish());
 * }
 * }</pre>
 *
 * <p>Messages of its exceptions are sentences. Not thread-safe; close it, which removes what was
 * not finished.
 */
public final class PartWriter implements AutoCloseable {
  // Two that write the same share of the same step, one of them given up, must not meet.
  private static final AtomicLong WRITERS = new AtomicLong();

  private final Path file;
  private final Path partial;
  private final List<StateTensor> tensors;
  private final SeekableByteChannel channel;
  private final MessageDigest sha256 = Sha256.digest();
  private final CRC32C crc = new CRC32C();
  private final long bytes;
  private final List<Content> contents = new ArrayList<>();
  private int[] crcs = {};
  private long written;
  private boolean isFinished;

  private PartWriter(Path file, List<StateTensor> tensors) throws IOException {
    this.file = file;
    this.partial =
        file.resolveSibling(
            ".%s.%d-%d.partial"
                .formatted(
                    file.getFileName(), ProcessHandle.current().pid(), WRITERS.incrementAndGet()));
    this.tensors = List.copyOf(tensors);
    SafetensorsHeader header = header(tensors);
    this.bytes = header.fileBytes();
    try {
      this.channel =
          Files.newByteChannel(partial, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw told(e);
    }
    try {
      append(header.bytes());
    } catch (IOException e) {
      closeAfter(e);
      throw told(e);
    }
  }

  private void closeAfter(IOException cause) {
    try {
      close();
    } catch (IOException e) {
      cause.addSuppressed(e);
    }
  }

  /**
   * Begins a part.
   *
   * @param checkpointFolder as {@link CheckpointStore#begin} made it
   * @param writer who writes, such as {@code worker-2#1}
   * @param share from 0
   * @param shares how many there are
   * @param tensors what it will hold, in file order; none makes an empty part
   */
  public static PartWriter create(
      Path checkpointFolder, String writer, int share, int shares, List<StateTensor> tensors)
      throws IOException {
    if (share < 0 || share >= shares) {
      throw new IllegalArgumentException(
          "share: " + share + " (expected: 0 to " + (shares - 1) + ")");
    }
    String name =
        "part-%d-of-%d-%s.safetensors"
            .formatted(share + 1, shares, writer.replaceAll("[^A-Za-z0-9._#-]", "_"));
    return new PartWriter(checkpointFolder.resolve(name), tensors);
  }

  /** The part of what a run does not train. */
  static PartWriter createFrozen(Path file, List<Tensor> tensors) throws IOException {
    return new PartWriter(
        file, tensors.stream().map(tensor -> new StateTensor(Kind.PARAMETER, tensor)).toList());
  }

  /** What a file of such tensors begins with. */
  static SafetensorsHeader header(List<StateTensor> tensors) {
    return new SafetensorsHeader(
        tensors.stream()
            .map(tensor -> new Tensor(tensor.stored(), tensor.tensor().shape()))
            .toList(),
        FloatType.F32);
  }

  /**
   * Writes the next values: in the list's order, front to back, in pieces that end at MiBs of the
   * tensor or at its end.
   *
   * @param littleEndianFloats its remaining bytes; neither they nor its position are changed
   */
  public void put(Kind kind, String tensor, long firstElement, ByteBuffer littleEndianFloats)
      throws IOException {
    StateTensor now = contents.size() < tensors.size() ? tensors.get(contents.size()) : null;
    if (now == null
        || now.kind() != kind
        || !now.tensor().name().equals(tensor)
        || firstElement * Float.BYTES != written) {
      throw new IllegalArgumentException(
          "%s: %s.%s from element %d (expected: %s)"
              .formatted(
                  file,
                  StateTensor.word(kind),
                  tensor,
                  firstElement,
                  now == null
                      ? "nothing more"
                      : now.stored() + " from element " + written / Float.BYTES));
    }
    long all = now.tensor().elements() * Float.BYTES;
    ByteBuffer values = littleEndianFloats.duplicate();
    long end = written + values.remaining();
    if (!values.hasRemaining() || end > all || (end < all && end % StateChunk.MAX_BYTES != 0)) {
      throw new IllegalArgumentException(
          "%s: %s to byte %d of %d (expected: to a whole MiB or the end)"
              .formatted(file, now.stored(), end, all));
    }
    while (values.hasRemaining()) {
      int chunk = Math.min(StateChunk.MAX_BYTES, values.remaining());
      putChunk(values.slice(values.position(), chunk), all);
      values.position(values.position() + chunk);
    }
    if (written == all) {
      contents.add(new Content(kind, tensor, crcs));
      crcs = new int[0];
      written = 0;
    }
  }

  private void putChunk(ByteBuffer chunk, long all) throws IOException {
    if (crcs.length == 0) {
      crcs = new int[Math.toIntExact((all + StateChunk.MAX_BYTES - 1) / StateChunk.MAX_BYTES)];
    }
    crc.reset();
    crc.update(chunk.duplicate());
    crcs[(int) (written / StateChunk.MAX_BYTES)] = (int) crc.getValue();
    written += chunk.remaining();
    try {
      append(chunk);
    } catch (IOException e) {
      throw told(e);
    }
  }

  private void append(ByteBuffer bytes) throws IOException {
    sha256.update(bytes.duplicate());
    Disk.write(channel, bytes);
  }

  /** Makes the file durable and gives it its name. Once. */
  public CheckpointPart finish() throws IOException {
    if (contents.size() != tensors.size()) {
      throw new IllegalStateException(
          "%s: %s was never written to its end"
              .formatted(file, tensors.get(contents.size()).stored()));
    }
    try {
      Disk.force(channel);
      channel.close();
      Disk.rename(partial, file);
    } catch (IOException e) {
      throw told(e);
    }
    isFinished = true;
    return new CheckpointPart(
        file.getFileName().toString(), bytes, HexFormat.of().formatHex(sha256.digest()), contents);
  }

  @Override
  public void close() throws IOException {
    channel.close();
    if (!isFinished) {
      Files.deleteIfExists(partial);
    }
  }

  private IOException told(IOException e) {
    return new IOException(file + ": cannot be written: " + Disk.why(e), e);
  }
}
