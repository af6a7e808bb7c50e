package org.dunlin.protocol.message;

import java.nio.ByteBuffer;
import org.dunlin.protocol.OnWire;

/**
 * A piece of a run folder's file on its way to a copy of that folder. A file's pieces come in their
 * order, and no other file's between them; an empty file has one.
 *
 * @param file its path in the run folder, with '/' between names
 * @param at the place of the first byte in the file
 * @param fileBytes the file's size
 * @param bytes read-only; at most {@link StateChunk#MAX_BYTES}
 */
public record RunBytes(String file, long at, long fileBytes, ByteBuffer bytes) implements OnWire {
  public RunBytes {
    if (bytes.remaining() > StateChunk.MAX_BYTES || at < 0 || at + bytes.remaining() > fileBytes) {
      throw new IllegalArgumentException(
          "%s: %d bytes at %d of %d (expected: at most %d, within the file)"
              .formatted(file, bytes.remaining(), at, fileBytes, StateChunk.MAX_BYTES));
    }
  }

  /** Whether the file ends with this piece. */
  public boolean isLast() {
    return at + bytes.remaining() == fileBytes;
  }
}
