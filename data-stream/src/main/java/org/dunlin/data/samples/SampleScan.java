package org.dunlin.data.samples;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import org.dunlin.protocol.Refusal;

/**
 * Goes through files once, front to back: checks every line, notes where it lies and digests all
 * bytes. One thread.
 */
final class SampleScan {
  private static final int BUFFER_BYTES = 1 << 20;

  private final LineIndex index;
  private final MessageDigest digest;
  private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
  private byte[] line = new byte[1 << 16];
  private int lineBytes;
  private FileFacts.Scan facts = new FileFacts.Scan();

  SampleScan(LineIndex index, MessageDigest digest) {
    this.index = index;
    this.digest = digest;
  }

  /** Reads a file to its end; gives what its rows have in common. */
  FileFacts file(Path file, FileChannel channel) throws IOException {
    facts = new FileFacts.Scan();
    long start = 0;
    long number = 1;
    while (channel.read(buffer.clear()) >= 0) {
      digest.update(buffer.flip());
      byte[] bytes = buffer.array();
      int from = 0;
      for (int at = 0; at < buffer.limit(); at++) {
        if (bytes[at] == '\n') {
          append(file, number, bytes, from, at - from);
          row(file, number, start);
          from = at + 1;
          start += lineBytes + 1;
          number++;
          lineBytes = 0;
        }
      }
      append(file, number, bytes, from, buffer.limit() - from);
    }
    row(file, number, start);
    lineBytes = 0;
    return facts.facts();
  }

  private void append(Path file, long number, byte[] bytes, int from, int length) {
    if (lineBytes + length > SampleLine.MAX_BYTES) {
      throw Refusal.run(
          "%s: line %d: longer than %d bytes (expected: one sample a line)"
              .formatted(file, number, SampleLine.MAX_BYTES));
    }
    if (lineBytes + length > line.length) {
      line = Arrays.copyOf(line, Math.max(lineBytes + length, 2 * line.length));
    }
    System.arraycopy(bytes, from, line, lineBytes, length);
    lineBytes += length;
  }

  private void row(Path file, long number, long start) {
    if (isBlank()) {
      return;
    }
    if (index.rows() == LineIndex.MAX_ROWS) {
      throw Refusal.run(
          "%s: line %d: more than %d rows in all files".formatted(file, number, index.rows()));
    }
    try {
      facts.add(number, SampleLine.parse(index.rows(), line, 0, lineBytes));
    } catch (SampleLine.Fault e) {
      throw Refusal.run("%s: line %d: %s".formatted(file, number, e.getMessage()), e);
    }
    index.add(start, lineBytes);
  }

  private boolean isBlank() {
    for (int at = 0; at < lineBytes; at++) {
      if (line[at] != ' ' && line[at] != '\t' && line[at] != '\r') {
        return false;
      }
    }
    return true;
  }
}
