package org.dunlin.worker.collective;

/**
 * Where two members stand with each other: what this one still has to send, what it lacks, and what
 * it knows of the peer's. Pure; one at each end of a pair of streams.
 *
 * <p>Streams keep their order, so a frame can be missing only because it was damaged. Then all that
 * follow are skipped until the peer, who is asked for the one that is lacking first, sends from
 * there again. It is asked beside the streams: among the frames a question could stand behind one
 * that a peer leaves in its stream until a third member's has come, and three that each wait for
 * the next one's answer would wait for ever. Every frame tells the standing too; whoever hears of a
 * damage that it has not answered yet tells its own, for it may be that which was damaged. A member
 * leaves a transfer only when the peer lacks nothing of it.
 */
final class Conversation {
  /** What to do with an intact frame. */
  enum Verdict {
    /** It is the one that is lacking. */
    TAKE,
    /** It belongs to the next transfer, which has not begun here: leave it in the stream. */
    EARLY,
    /** It came before. */
    REPEATED,
    /** One before it was damaged and will come again, and this one after it. */
    SKIPPED
  }

  private int transfer;
  private int frames;
  private int next;
  private int lackingTransfer = 1;
  private int lackingIndex;
  private int damaged;
  private int peerLackingTransfer = 1;
  private int peerLackingIndex;
  private int answered; // of the peer's damages
  private boolean mustTell;
  private boolean mustAsk;

  /**
   * Begins the next transfer.
   *
   * @param toSend frames for the peer
   * @param expected frames from the peer, at least as far as is known: 0 if there will be none
   */
  void begin(int toSend, int expected) {
    transfer++;
    frames = toSend;
    next = peerLackingTransfer == transfer ? peerLackingIndex : 0;
    if (expected == 0) {
      complete();
    }
  }

  /** The number of the transfer that is under way, or was last. */
  int transfer() {
    return transfer;
  }

  /** Whether there is a frame to send now. */
  boolean hasNext() {
    return next < frames && peerLackingTransfer <= transfer;
  }

  /** Which. */
  int next() {
    return next;
  }

  /** That frame is on its way, and with it the own standing. */
  void sent() {
    next++;
    mustTell = false;
  }

  /** Whether the peer waits for a word, with or without data. */
  boolean mustTell() {
    return mustTell;
  }

  /** The own standing is on its way. */
  void told() {
    mustTell = false;
  }

  /** Whether the peer must be asked, beside the streams, for what was damaged. */
  boolean mustAsk() {
    return mustAsk;
  }

  /** The own standing is on its way beside the streams. */
  void asked() {
    mustAsk = false;
  }

  /** What an intact frame of the peer's is. */
  Verdict arrived(int ofTransfer, int index) {
    if (ofTransfer < lackingTransfer || (ofTransfer == lackingTransfer && index < lackingIndex)) {
      return Verdict.REPEATED;
    }
    if (ofTransfer > lackingTransfer || index > lackingIndex) {
      return Verdict.SKIPPED;
    }
    return lackingTransfer == transfer ? Verdict.TAKE : Verdict.EARLY;
  }

  /**
   * The frame that was lacking has been taken.
   *
   * @param isLast of the transfer
   */
  void took(boolean isLast) {
    lackingIndex++;
    if (isLast) {
      complete();
    }
  }

  private void complete() {
    lackingTransfer = transfer + 1;
    lackingIndex = 0;
    mustTell = true;
  }

  /** A frame of the peer's failed its check; which it was cannot be known. */
  void foundDamage() {
    damaged++;
    mustAsk = true;
  }

  /** The peer's standing, as an intact frame or a question tells it; an older one is harmless. */
  void heard(int theirTransfer, int theirIndex, int theirDamaged) {
    boolean further =
        theirTransfer > peerLackingTransfer
            || (theirTransfer == peerLackingTransfer && theirIndex > peerLackingIndex);
    if (further) {
      peerLackingTransfer = theirTransfer;
      peerLackingIndex = theirIndex;
    }
    if (theirDamaged > answered) {
      answered = theirDamaged;
      mustTell = true;
      if (peerLackingTransfer == transfer) {
        next = Math.min(next, peerLackingIndex);
      }
    }
  }

  /** Whether neither lacks anything of the transfer under way. */
  boolean isDone() {
    return lackingTransfer > transfer && peerLackingTransfer > transfer;
  }

  int lackingTransfer() {
    return lackingTransfer;
  }

  int lackingIndex() {
    return lackingIndex;
  }

  int damaged() {
    return damaged;
  }
}
