package org.dunlin.worker.collective;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import org.agrona.DirectBuffer;

/**
 * A frame's place in the memory of a stream, seen as bytes, floats or integers. Laid over one frame
 * after the other; a stream has few memories, whose views are made once. One thread at a time.
 */
@SuppressWarnings("ReferenceEquality") // buffers that are equal are not the same memory
final class Payload {
  private static final class Views {
    private final ByteBuffer memory;
    private final ByteBuffer bytes;
    private final FloatBuffer floats;
    private final IntBuffer ints;

    private Views(ByteBuffer memory) {
      this.memory = memory;
      this.bytes = memory.duplicate().clear().order(ByteOrder.nativeOrder());
      this.floats = bytes.asFloatBuffer();
      this.ints = bytes.asIntBuffer();
    }
  }

  // The three terms of a stream's log.
  private final Views[] known = new Views[3];
  private int oldest;
  private Views views;
  private int at;
  private int length;

  /** Lays this over {@code length} bytes from {@code offset}. */
  void wrap(DirectBuffer buffer, int offset, int length) {
    ByteBuffer memory = buffer.byteBuffer();
    if (views == null || views.memory != memory) {
      views = views(memory);
    }
    this.at = buffer.wrapAdjustment() + offset;
    this.length = length;
  }

  private Views views(ByteBuffer memory) {
    for (Views one : known) {
      if (one != null && one.memory == memory) {
        return one;
      }
    }
    Views made = new Views(memory);
    known[oldest] = made;
    oldest = (oldest + 1) % known.length;
    return made;
  }

  /** All of the memory; its position and limit are anybody's. */
  ByteBuffer memory() {
    return views.bytes;
  }

  FloatBuffer floats() {
    return views.floats;
  }

  IntBuffer ints() {
    return views.ints;
  }

  /** Its first byte in {@link #memory}. */
  int at() {
    return at;
  }

  /** Its first word in {@link #floats} and {@link #ints}. */
  int word() {
    return at / Integer.BYTES;
  }

  /** In bytes. */
  int length() {
    return length;
  }

  int words() {
    return length / Integer.BYTES;
  }
}
