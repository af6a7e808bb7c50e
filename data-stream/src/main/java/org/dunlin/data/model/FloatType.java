package org.dunlin.data.model;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;

/** How a floating-point value is stored, in little-endian order. */
public enum FloatType {
  F64(8, "float64"),
  F32(4, "float32"),
  F16(2, "float16"),
  BF16(2, "bfloat16");

  private static final int BF16_SHIFT = 16;
  private static final int BF16_HALF = 0x7fff;
  private static final int BF16_QUIET = 0x40;

  private final int bytes;
  private final String torchName;

  FloatType(int bytes, String torchName) {
    this.bytes = bytes;
    this.torchName = torchName;
  }

  /** A value's size. */
  public int bytes() {
    return bytes;
  }

  /** As {@code config.json} calls it: {@code bfloat16}. */
  public String torchName() {
    return torchName;
  }

  /** The value that begins at a byte. */
  float at(ByteBuffer stored, int index) {
    return switch (this) {
      case F64 -> (float) stored.getDouble(index);
      case F32 -> stored.getFloat(index);
      case F16 -> Float.float16ToFloat(stored.getShort(index));
      case BF16 -> Float.intBitsToFloat(stored.getShort(index) << BF16_SHIFT);
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

  /**
   * Appends all of {@code values}, each rounded to the nearest that this type has, between two to
   * the even one.
   */
  void append(FloatBuffer values, ByteBuffer into) {
    if (this == F32) {
      into.asFloatBuffer().put(values.duplicate());
      into.position(into.position() + values.remaining() * bytes);
      return;
    }
    for (int at = values.position(); at < values.limit(); at++) {
      float value = values.get(at);
      switch (this) {
        case F64 -> into.putDouble(value);
        case F32 -> into.putFloat(value);
        case F16 -> into.putShort(Float.floatToFloat16(value));
        case BF16 -> into.putShort(bf16(value));
      }
    }
  }

  private static short bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int upper = bits >>> BF16_SHIFT;
    // Rounding could carry a NaN's bits over into an infinity.
    return (short)
        (Float.isNaN(value) ? upper | BF16_QUIET : (bits + BF16_HALF + (upper & 1)) >>> BF16_SHIFT);
  }
}
