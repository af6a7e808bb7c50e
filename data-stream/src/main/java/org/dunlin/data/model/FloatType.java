package org.dunlin.data.model;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;

/** How a floating-point value is stored, in little-endian order. */
enum FloatType {
  F64(8),
  F32(4),
  F16(2),
  BF16(2);

  private final int bytes;

  FloatType(int bytes) {
    this.bytes = bytes;
  }

  int bytes() {
    return bytes;
  }

  /** The value that begins at a byte. */
  float at(ByteBuffer stored, int index) {
    return switch (this) {
      case F64 -> (float) stored.getDouble(index);
      case F32 -> stored.getFloat(index);
      case F16 -> Float.float16ToFloat(stored.getShort(index));
      case BF16 -> Float.intBitsToFloat(stored.getShort(index) << 16);
    };
  }

  /** Moves all of {@code stored}; there must be room for it. */
  void copy(ByteBuffer stored, FloatBuffer into) {
    if (this == F32) {
      into.put(stored.asFloatBuffer());
      return;
    }
    for (int index = stored.position(); index < stored.limit(); index += bytes) {
      into.put(at(stored, index));
    }
  }
}
