package org.dunlin.worker.collective;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Random;
import java.util.stream.IntStream;

/** Blocks with values whose sum depends on the order: many magnitudes, and zeros of both signs. */
final class Floats {
  private Floats() {}

  static float[] some(Random random, int size) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      int bits = random.nextInt();
      boolean zero = (bits & 0xf00) == 0;
      values[i] = zero ? (bits < 0 ? -0f : 0f) : bits * (1f / (1 << (bits & 31)));
    }
    return values;
  }

  static RowSet someRows(Random random, int most, int width) {
    int[] rows = IntStream.range(0, most).filter(row -> random.nextBoolean()).toArray();
    return new RowSet(rows, width, FloatBuffer.wrap(some(random, rows.length * width)));
  }

  static FloatBuffer buffer(int size, boolean heap) {
    return heap
        ? FloatBuffer.allocate(size)
        : ByteBuffer.allocateDirect(size * Float.BYTES)
            .order(ByteOrder.nativeOrder())
            .asFloatBuffer();
  }

  static FloatBuffer copy(float[] values, boolean heap) {
    return buffer(values.length, heap).put(0, values);
  }

  static int[] bits(FloatBuffer values) {
    return IntStream.range(values.position(), values.limit())
        .map(i -> Float.floatToRawIntBits(values.get(i)))
        .toArray();
  }
}
