package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.dunlin.data.model.SafetensorsHeader;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StateChunk;

/** A part opened for reading. What is not as it was written is a Refusal. Close it. */
final class PartFile implements AutoCloseable {
  private final Path path;
  private final CheckpointPart part;
  private final List<StateTensor> tensors;
  private final SafetensorsHeader header;
  private final SeekableByteChannel channel;

  private PartFile(
      Path path,
      CheckpointPart part,
      List<StateTensor> tensors,
      SafetensorsHeader header,
      SeekableByteChannel channel) {
    this.path = path;
    this.part = part;
    this.tensors = tensors;
    this.header = header;
    this.channel = channel;
  }

  /**
   * Opens a part and checks its size and header, but no values.
   *
   * @param tensors the part's, in its order
   */
  static PartFile open(Path folder, CheckpointPart part, List<StateTensor> tensors) {
    Path path = folder.resolve(part.file());
    SafetensorsHeader header = PartWriter.header(tensors);
    if (header.fileBytes() != part.bytes()) {
      throw Refusal.run(
          "%s: is of %d bytes by the manifest (expected: %d, which its tensors take)"
              .formatted(path, part.bytes(), header.fileBytes()));
    }
    try {
      SeekableByteChannel channel = Files.newByteChannel(path, StandardOpenOption.READ);
      PartFile file = new PartFile(path, part, tensors, header, channel);
      try {
        file.checkHeader();
      } catch (IOException | RuntimeException e) {
        channel.close();
        throw e;
      }
      return file;
    } catch (NoSuchFileException e) {
      throw Refusal.run(path + ": is not there, though the manifest names it", e);
    } catch (IOException e) {
      throw cannotRead(path, e);
    }
  }

  static Refusal cannotRead(Path path, IOException e) {
    return Refusal.run(path + ": cannot be read: " + Disk.why(e), e);
  }

  private void checkHeader() throws IOException {
    if (channel.size() != part.bytes()) {
      throw Refusal.run(
          "%s: is %d bytes long (expected: %d); it was cut short or changed"
              .formatted(path, channel.size(), part.bytes()));
    }
    ByteBuffer expected = header.bytes();
    if (!bytesAt(0, expected.remaining()).equals(expected)) {
      throw Refusal.run(path + ": its header is not what was written; the file was changed");
    }
  }

  /**
   * One MiB of a tensor's values, checked.
   *
   * @param content place of the tensor in the part
   * @param chunk from 0
   */
  ByteBuffer read(int content, int chunk) {
    StateTensor tensor = tensors.get(content);
    long from = (long) chunk * StateChunk.MAX_BYTES;
    long left = tensor.tensor().elements() * Float.BYTES - from;
    try {
      ByteBuffer bytes =
          bytesAt(header.place(tensor.stored()) + from, (int) Math.min(left, StateChunk.MAX_BYTES));
      CRC32C crc = new CRC32C();
      crc.update(bytes.duplicate());
      int expected = part.contents().get(content).crcs()[chunk];
      if ((int) crc.getValue() != expected) {
        HexFormat hex = HexFormat.of();
        throw Refusal.run(
            "%s: %s, MiB %d: CRC32C is %s (expected: %s); the file was changed, or its disk fails: go on from an earlier checkpoint"
                .formatted(
                    path,
                    tensor.stored(),
                    chunk + 1,
                    hex.toHexDigits((int) crc.getValue()),
                    hex.toHexDigits(expected)));
      }
      return bytes.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
    } catch (IOException e) {
      throw cannotRead(path, e);
    }
  }

  /** Reads all values and compares the checksums of their MiBs. */
  void checkValues() {
    values(bytes -> {});
  }

  /** Reads all of it and compares every checksum. */
  void verify() {
    MessageDigest sha256 = Sha256.digest();
    sha256.update(header.bytes());
    values(sha256::update);
    String found = HexFormat.of().formatHex(sha256.digest());
    if (!found.equals(part.sha256())) {
      throw Refusal.run(
          "%s: SHA-256 is %s (expected: %s); the file was changed"
              .formatted(path, found, part.sha256()));
    }
  }

  private void values(Consumer<ByteBuffer> each) {
    for (int content = 0; content < tensors.size(); content++) {
      for (int chunk = 0; chunk < part.contents().get(content).crcs().length; chunk++) {
        each.accept(read(content, chunk));
      }
    }
  }

  private ByteBuffer bytesAt(long at, int count) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(count);
    while (bytes.hasRemaining()) {
      if (readAt(bytes, at + bytes.position()) < 0) {
        throw Refusal.run(
            "%s: ends at byte %d (expected: %d bytes); it was cut short"
                .formatted(path, at + bytes.position(), part.bytes()));
      }
    }
    return bytes.flip();
  }

  private int readAt(ByteBuffer into, long position) throws IOException {
    if (channel instanceof FileChannel file) {
      return file.read(into, position);
    }
    synchronized (channel) { // of a store of objects: it has one position
      return channel.position(position).read(into);
    }
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw cannotRead(path, e);
    }
  }
}
