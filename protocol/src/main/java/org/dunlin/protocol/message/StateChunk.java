package org.dunlin.protocol.message;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.message.LessonItem.Kind;

/**
 * A piece of one tensor's values on its way between coordinator and worker.
 *
 * @param kind which values; no gradients
 * @param tensor its name
 * @param firstElement the place of the first value in the tensor, row-major
 * @param values float32, little-endian, read-only; at most {@link #MAX_BYTES}
 */
public record StateChunk(Kind kind, String tensor, long firstElement, ByteBuffer values)
    implements OnWire {
  /** 1 MiB: the unit of wire and checksum, well under Artery's frame. */
  public static final int MAX_BYTES = 1 << 20;

  private static final int MAX_FLOATS = MAX_BYTES / Float.BYTES;

  /** A chunk whose values have not been read yet. */
  public record Piece(Kind kind, String tensor, long firstElement, int floats) {
    /**
     * Makes the chunk.
     *
     * @param values fills the buffer that it is given
     */
    public StateChunk read(Consumer<FloatBuffer> values) {
      ByteBuffer bytes = ByteBuffer.allocate(floats * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
      values.accept(bytes.asFloatBuffer());
      return new StateChunk(kind, tensor, firstElement, bytes.asReadOnlyBuffer());
    }
  }

  /**
   * Cuts a tensor into chunks. Collect the pieces before reading: an iterator over nested streams
   * would read a whole tensor at once.
   */
  public static Stream<Piece> pieces(Kind kind, String tensor, long elements) {
    return LongStream.range(0, (elements + MAX_FLOATS - 1) / MAX_FLOATS)
        .map(chunk -> chunk * MAX_FLOATS)
        .mapToObj(
            first -> new Piece(kind, tensor, first, (int) Math.min(MAX_FLOATS, elements - first)));
  }

  public StateChunk {
    if (values.remaining() > MAX_BYTES) {
      throw new IllegalArgumentException(
          tensor + ": chunk of " + values.remaining() + " bytes (expected: <= " + MAX_BYTES + ")");
    }
  }
}
