package org.dunlin.worker.engine;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/**
 * Floats in direct memory, 64-byte aligned: measured, a product of one row has other bits across
 * 16-byte alignments. The memory lives as long as this object is reachable.
 */
public final class Block {
  /** Floats in 64 bytes: where one array ends, the next begins at the next multiple of this. */
  public static final int ALIGNMENT = 16;

  private static final int ALIGNMENT_BYTES = ALIGNMENT * Float.BYTES;

  private final ByteBuffer bytes;

  /**
   * @param floats its size, under 2^29
   */
  public Block(long floats) {
    // An aligned slice ends at a multiple too.
    int size = Math.toIntExact(align(floats) * Float.BYTES + ALIGNMENT_BYTES);
    this.bytes =
        ByteBuffer.allocateDirect(size)
            .alignedSlice(ALIGNMENT_BYTES)
            .order(ByteOrder.nativeOrder());
  }

  /** The next aligned place at or after this one. */
  public static long align(long floats) {
    return (floats + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  /** A view of some floats. */
  public FloatBuffer floats(long from, long count) {
    return bytes(from, count).asFloatBuffer();
  }

  /** An array over some floats; the manager's owner closes it, this block stays. */
  public NDArray array(NDManager manager, long from, long... shape) {
    long count = 1;
    for (long dimension : shape) {
      count *= dimension;
    }
    return Torch.over(manager, bytes(from, count), shape);
  }

  /** The same as bytes, in native order. */
  public ByteBuffer bytes(long from, long count) {
    return bytes
        .slice(Math.toIntExact(from * Float.BYTES), Math.toIntExact(count * Float.BYTES))
        .order(ByteOrder.nativeOrder());
  }
}
