package org.dunlin.worker.collective;

import java.nio.ByteBuffer;

/**
 * What the words behind it are. Both ends know every frame before it travels; it travels so that
 * they can compare.
 *
 * @param node of the {@link SummationTree}, or 0 where none is meant
 * @param offset of the first word in its block
 * @param length words of 4 bytes, at most {@link #MOST_WORDS}
 */
record Frame(Exchange.Kind kind, long step, int node, int offset, int length) {
  /** Its own size on the wire. */
  static final int BYTES = Long.BYTES + 4 * Integer.BYTES;

  /** 256 KiB: few enough system calls, and one frame of each peer stays in the cache. */
  static final int MOST_WORDS = 1 << 16;

  /** Expected where only the sender knows how much it will be. */
  static final int ANY_LENGTH = -1;

  void write(ByteBuffer target) {
    target.putLong(step).putInt(kind.code()).putInt(node).putInt(offset).putInt(length);
  }

  static Frame read(ByteBuffer source) {
    int at = Long.BYTES;
    return new Frame(
        Exchange.Kind.of(source.getInt(at)),
        source.getLong(0),
        source.getInt(at + Integer.BYTES),
        source.getInt(at + 2 * Integer.BYTES),
        source.getInt(at + 3 * Integer.BYTES));
  }

  /** Refuses an arrived frame that is not this one. */
  void check(Frame arrived) {
    boolean fits =
        length == ANY_LENGTH
            ? arrived.length >= 0 && arrived.length <= MOST_WORDS
            : arrived.length == length;
    if (!fits || !arrived.equals(new Frame(kind, step, node, offset, arrived.length))) {
      throw new IllegalStateException("frame: " + arrived + " (expected: " + this + ")");
    }
  }
}
