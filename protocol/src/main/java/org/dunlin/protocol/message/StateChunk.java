package org.dunlin.protocol.message;

import java.nio.ByteBuffer;
import org.dunlin.protocol.OnWire;

/**
 * A piece of one tensor's values on its way between coordinator and worker.
 *
 * @param tensor its name
 * @param firstElement the place of the first value in the tensor, row-major
 * @param values float32, little-endian, read-only; at most {@link #MAX_BYTES}
 */
public record StateChunk(String tensor, long firstElement, ByteBuffer values) implements OnWire {
  /** 1 MiB: the unit of wire and checksum, well under Artery's frame. */
  public static final int MAX_BYTES = 1 << 20;

  public StateChunk {
    if (values.remaining() > MAX_BYTES) {
      throw new IllegalArgumentException(
          tensor + ": chunk of " + values.remaining() + " bytes (expected: <= " + MAX_BYTES + ")");
    }
  }
}
