package org.dunlin.worker.collective;

import org.dunlin.protocol.frame.FrameHeader;

/** Which part of which block a frame carries. Set anew for each frame; one thread at a time. */
final class Piece {
  private int node;
  private Words words;
  private long offset;
  private int length;

  /**
   * Sets all of it.
   *
   * @param node of the {@link SummationTree}, or 0 where none is meant
   * @param offset in the block, in bytes
   * @param length in bytes
   */
  void set(int node, Words words, long offset, int length) {
    this.node = node;
    this.words = words;
    this.offset = offset;
    this.length = length;
  }

  int node() {
    return node;
  }

  Words words() {
    return words;
  }

  long offset() {
    return offset;
  }

  int length() {
    return length;
  }

  /** Refuses a frame that carries something else. */
  void check(FrameHeader arrived) {
    if (arrived.node() != node || arrived.offset() != offset || arrived.length() != length) {
      throw new IllegalStateException(
          "%s (expected: node=%d, offset=%d, length=%d)".formatted(arrived, node, offset, length));
    }
  }
}
