package org.dunlin.coordinator.ledger;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * How records lie in a ledger's file, little-endian:
 *
 * <pre>
 *   length (4) | checksum (4) | record (length) | checksum (4)
 * </pre>
 *
 * Each checksum is the CRC32C of all lengths and records of the file up to there, so a record that
 * is lost, moved or taken from another file breaks it too. The length has one of its own because
 * otherwise a damaged length would look like a record that was still being written. One thread at a
 * time.
 */
final class Chain {
  /** Length and checksum before a record. */
  static final int PREFIX_BYTES = 8;

  /** The checksum after it. */
  static final int CHECKSUM_BYTES = 4;

  /** Of one record: six million samples a step. Bounds what a reader allocates. */
  static final int MOST_BYTES = 1 << 26;

  private final CRC32C crc = new CRC32C();

  /** The checksum behind the next record's length. */
  int afterLength(int length) {
    crc.update(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(0, length));
    return (int) crc.getValue();
  }

  /** The checksum behind that record. */
  int afterRecord(byte[] bytes) {
    crc.update(bytes);
    return (int) crc.getValue();
  }

  /** A record as it is appended, from position 0 to its limit. */
  ByteBuffer frame(byte[] bytes) {
    if (bytes.length > MOST_BYTES) {
      throw new IllegalArgumentException(
          "a record of %d bytes (expected: <= %d)".formatted(bytes.length, MOST_BYTES));
    }
    return ByteBuffer.allocate(PREFIX_BYTES + bytes.length + CHECKSUM_BYTES)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(bytes.length)
        .putInt(afterLength(bytes.length))
        .put(bytes)
        .putInt(afterRecord(bytes))
        .flip();
  }
}
