package org.dunlin.data.model;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.zip.ZipEntry;

/**
 * Where the uncompressed entries of a zip file lie. Unlike {@code java.util.zip} it tells their
 * place, so that an entry can be mapped. Files beyond 4 GB (zip64) are read too.
 */
final class StoredZip {
  private static final int END = 0x06054b50;
  private static final int END_64 = 0x06064b50;
  private static final int LOCATOR_64 = 0x07064b50;
  private static final int CENTRAL = 0x02014b50;
  private static final int LOCAL = 0x04034b50;
  private static final int END_BYTES = 22;
  private static final int LOCATOR_BYTES = 20;
  private static final int CENTRAL_BYTES = 46;
  private static final int LOCAL_BYTES = 30;
  private static final long LARGE = 0xFFFFFFFFL;

  /** A model of a thousand layers has fewer entries than this has room for. */
  private static final long MAX_DIRECTORY_BYTES = 64L << 20;

  /** An entry's bytes in the file. */
  record Place(long from, long bytes, long crc32) {}

  /** The file is no such zip; the message goes on after the file's name. */
  static final class Fault extends Exception {
    private static final long serialVersionUID = 1L;

    Fault(String what) {
      super(what);
    }
  }

  private final FileChannel channel;
  private final long size;

  private StoredZip(FileChannel channel) throws IOException {
    this.channel = channel;
    this.size = channel.size();
  }

  /** The entries in the directory's order; what contradicts the file's length is a fault. */
  static Map<String, Place> places(FileChannel channel) throws IOException, Fault {
    return new StoredZip(channel).read();
  }

  private Map<String, Place> read() throws IOException, Fault {
    long endAt = findEnd();
    ByteBuffer end = bytes(endAt, END_BYTES);
    long directoryBytes = Integer.toUnsignedLong(end.getInt(12));
    long directoryAt = Integer.toUnsignedLong(end.getInt(16));
    if (endAt >= LOCATOR_BYTES
        && bytes(endAt - LOCATOR_BYTES, LOCATOR_BYTES).getInt(0) == LOCATOR_64) {
      ByteBuffer end64 = bytes(bytes(endAt - LOCATOR_BYTES, LOCATOR_BYTES).getLong(8), 56);
      if (end64.getInt(0) != END_64) {
        throw new Fault("its zip directory is damaged");
      }
      directoryBytes = end64.getLong(40);
      directoryAt = end64.getLong(48);
    }
    if (directoryBytes < 0 || directoryBytes > MAX_DIRECTORY_BYTES) {
      throw new Fault("its zip directory claims %d bytes".formatted(directoryBytes));
    }
    ByteBuffer directory = bytes(directoryAt, (int) directoryBytes);
    Map<String, Place> places = new LinkedHashMap<>();
    while (directory.remaining() >= CENTRAL_BYTES) {
      entry(directory, places);
    }
    return places;
  }

  private long findEnd() throws IOException, Fault {
    if (size < END_BYTES) {
      throw new Fault("is %d bytes long (expected: a zip file)".formatted(size));
    }
    // A comment of up to 64 KiB may follow; PyTorch writes none.
    int tail = (int) Math.min(size, END_BYTES + 0xFFFF);
    ByteBuffer last = bytes(size - tail, tail);
    for (int at = tail - END_BYTES; at >= 0; at--) {
      if (last.getInt(at) == END) {
        return size - tail + at;
      }
    }
    throw new Fault("has no zip directory at its end; it is cut short or no zip file");
  }

  private void entry(ByteBuffer directory, Map<String, Place> places) throws IOException, Fault {
    int at = directory.position();
    if (directory.getInt(at) != CENTRAL) {
      throw new Fault("its zip directory is damaged");
    }
    int method = Short.toUnsignedInt(directory.getShort(at + 10));
    long crc32 = Integer.toUnsignedLong(directory.getInt(at + 16));
    long packed = Integer.toUnsignedLong(directory.getInt(at + 20));
    long bytes = Integer.toUnsignedLong(directory.getInt(at + 24));
    int nameBytes = Short.toUnsignedInt(directory.getShort(at + 28));
    int extraBytes = Short.toUnsignedInt(directory.getShort(at + 30));
    int commentBytes = Short.toUnsignedInt(directory.getShort(at + 32));
    long localAt = Integer.toUnsignedLong(directory.getInt(at + 42));
    int extraAt = at + CENTRAL_BYTES + nameBytes;
    if (extraAt + extraBytes + commentBytes > directory.limit()) {
      throw new Fault("its zip directory is damaged");
    }
    byte[] name = new byte[nameBytes];
    directory.get(at + CENTRAL_BYTES, name);
    String text = new String(name, StandardCharsets.UTF_8);
    ByteBuffer large = zip64(directory, extraAt, extraBytes);
    bytes = bytes == LARGE ? next(large) : bytes;
    packed = packed == LARGE ? next(large) : packed;
    localAt = localAt == LARGE ? next(large) : localAt;
    if (method != ZipEntry.STORED || packed != bytes) {
      throw new Fault(text + " is compressed (expected: stored, as PyTorch writes it)");
    }
    if (places.put(text, place(text, localAt, bytes, crc32)) != null) {
      throw new Fault(text + " comes twice");
    }
    directory.position(extraAt + extraBytes + commentBytes);
  }

  private Place place(String name, long localAt, long bytes, long crc32) throws IOException, Fault {
    ByteBuffer local = bytes(localAt, LOCAL_BYTES);
    if (local.getInt(0) != LOCAL) {
      throw new Fault("its zip directory is damaged");
    }
    long from =
        localAt
            + LOCAL_BYTES
            + Short.toUnsignedInt(local.getShort(26))
            + Short.toUnsignedInt(local.getShort(28));
    if (bytes < 0 || from > size || bytes > size - from) {
      throw new Fault(
          "%s claims %d bytes of a file of %d; it is cut short".formatted(name, bytes, size));
    }
    return new Place(from, bytes, crc32);
  }

  private static ByteBuffer zip64(ByteBuffer directory, int from, int bytes) {
    int at = from;
    while (at + 4 <= from + bytes) {
      int length = Short.toUnsignedInt(directory.getShort(at + 2));
      if (directory.getShort(at) == 1 && at + 4 + length <= from + bytes) {
        return directory.slice(at + 4, length).order(ByteOrder.LITTLE_ENDIAN);
      }
      at += 4 + length;
    }
    return ByteBuffer.allocate(0);
  }

  private static long next(ByteBuffer large) throws Fault {
    if (large.remaining() < Long.BYTES) {
      throw new Fault("its zip directory is damaged");
    }
    return large.getLong();
  }

  private ByteBuffer bytes(long at, int count) throws IOException, Fault {
    if (at < 0 || at > size - count) {
      throw new Fault("its zip directory points beyond the file's %d bytes".formatted(size));
    }
    ByteBuffer buffer = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, at + buffer.position()) < 0) {
        throw new Fault("was cut short while it was read");
      }
    }
    return buffer.flip();
  }
}
