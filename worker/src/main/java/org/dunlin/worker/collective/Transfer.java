package org.dunlin.worker.collective;

import org.dunlin.protocol.frame.FrameHeader;

/**
 * The frames of one collective: what each peer is sent, and what becomes of what it sends. Frames
 * are numbered by peer; any may be asked for again while the transfer lasts. One thread at a time.
 */
interface Transfer {
  Exchange.Kind kind();

  long step();

  /** How many frames a member is sent. */
  int framesTo(int member);

  /** Whether what a frame carries is there; what is asked for again was there before. */
  default boolean isReady(int index) {
    return true;
  }

  /** What frame {@code index} for a member carries. */
  void locate(int member, int index, Piece piece);

  /** How many frames a member sends, as far as its frames until now tell: never too few. */
  int framesFrom(int member);

  /**
   * Takes a member's frame; each comes once, in order.
   *
   * @return false if it cannot be used yet: it is offered again
   */
  boolean take(int member, int index, FrameHeader header, Payload payload);
}
