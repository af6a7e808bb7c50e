package org.dunlin.worker.collective;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;

/** A block that goes over a stream piece by piece, in the machine's own byte order. */
sealed interface Words {
  /** Copies the bytes from {@code offset} on into a frame, as many as it has room for. */
  void copyTo(Payload frame, long offset);

  /** Copies a frame's bytes to {@code offset} on. */
  void copyFrom(Payload frame, long offset);

  /** Floats from position 0. */
  record Floats(FloatBuffer values) implements Words {
    @Override
    public void copyTo(Payload frame, long offset) {
      frame.floats().put(frame.word(), values, word(offset), frame.words());
    }

    @Override
    public void copyFrom(Payload frame, long offset) {
      values.put(word(offset), frame.floats(), frame.word(), frame.words());
    }
  }

  /** Integers. */
  record Ints(int[] values) implements Words {
    @Override
    public void copyTo(Payload frame, long offset) {
      frame.ints().put(frame.word(), values, word(offset), frame.words());
    }

    @Override
    public void copyFrom(Payload frame, long offset) {
      frame.ints().get(frame.word(), values, word(offset), frame.words());
    }
  }

  /** Bytes from position 0. */
  record Bytes(ByteBuffer values) implements Words {
    @Override
    public void copyTo(Payload frame, long offset) {
      frame.memory().clear().put(frame.at(), values, Math.toIntExact(offset), frame.length());
    }

    @Override
    public void copyFrom(Payload frame, long offset) {
      values.put(Math.toIntExact(offset), frame.memory().clear(), frame.at(), frame.length());
    }
  }

  private static int word(long offset) {
    return Math.toIntExact(offset / Integer.BYTES);
  }
}
