package org.dunlin.coordinator.ledger;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.ledger.LedgerRecord;
import org.dunlin.protocol.wire.LedgerCodec;

/**
 * Reads one term's file from its start, also while it is written. One thread; close it.
 *
 * <p>A record at the end that is not whole, or nothing but zeros, was being written when the
 * process or the machine died: it ends the file. Anything else that does not fit is damage and a
 * {@link Refusal}.
 */
final class TermFile implements AutoCloseable {
  private static final int BUFFER_BYTES = 1 << 16;

  private final Path path;
  private final InputStream bytes;
  private final Chain chain = new Chain();
  private long at; // of the record that was read last
  private long next;

  TermFile(Path path) {
    this.path = path;
    try {
      this.bytes = new BufferedInputStream(Files.newInputStream(path), BUFFER_BYTES);
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  /** The next record; empty at the end, now and later. */
  Optional<LedgerRecord> next() {
    at = next;
    try {
      byte[] prefix = bytes.readNBytes(Chain.PREFIX_BYTES);
      if (prefix.length < Chain.PREFIX_BYTES || (areZeros(prefix) && areZerosToTheEnd())) {
        return Optional.empty();
      }
      ByteBuffer numbers = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN);
      int length = numbers.getInt();
      check("the length of a record", chain.afterLength(length), numbers.getInt());
      if (length < 0 || length > Chain.MOST_BYTES) {
        throw refused("a record of " + length + " bytes (expected: <= " + Chain.MOST_BYTES + ")");
      }
      byte[] body = bytes.readNBytes(length + Chain.CHECKSUM_BYTES);
      if (body.length < length + Chain.CHECKSUM_BYTES) {
        return Optional.empty();
      }
      byte[] entry = Arrays.copyOf(body, length);
      check(
          "a record",
          chain.afterRecord(entry),
          ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN).getInt(length));
      LedgerRecord read = LedgerCodec.read(entry);
      next += prefix.length + body.length;
      return Optional.of(read);
    } catch (IllegalArgumentException e) {
      throw refused(e.getMessage());
    } catch (IOException e) {
      throw unreadable(e);
    }
  }

  /** A sentence about the record that was read last, or could not be. */
  Refusal refused(String what) {
    return Refusal.run("%s: byte %d: %s".formatted(path, at, what));
  }

  private void check(String what, int expected, int found) {
    if (expected != found) {
      throw refused(
          "%s has the checksum %08x (expected: %08x); the file was damaged after it was written, and nothing from here on is proven"
              .formatted(what, found, expected));
    }
  }

  private boolean areZerosToTheEnd() throws IOException {
    byte[] more = bytes.readNBytes(BUFFER_BYTES);
    while (more.length > 0 && areZeros(more)) {
      more = bytes.readNBytes(BUFFER_BYTES);
    }
    return more.length == 0;
  }

  private static boolean areZeros(byte[] some) {
    for (byte one : some) {
      if (one != 0) {
        return false;
      }
    }
    return true;
  }

  private Refusal unreadable(IOException e) {
    return Refusal.run(path + ": cannot be read: " + e.getMessage(), e);
  }

  @Override
  public void close() {
    try {
      bytes.close();
    } catch (IOException e) {
      throw unreadable(e);
    }
  }
}
