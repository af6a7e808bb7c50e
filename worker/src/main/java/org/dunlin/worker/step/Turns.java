package org.dunlin.worker.step;

/**
 * Lets threads do something in a fixed order: piece 0 first, then 1, and so on. Pieces are begun in
 * their order, so whoever waits waits for a piece that is under way.
 */
final class Turns {
  private int next;
  private boolean broken;

  /**
   * Runs an action when all pieces before this one have had their turn.
   *
   * @return false if an earlier piece failed: whoever broke off says why
   */
  synchronized boolean take(int piece, Runnable action) {
    while (next < piece && !broken) {
      try {
        wait();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while waiting for piece " + next, e);
      }
    }
    if (broken) {
      return false;
    }
    action.run();
    next++;
    notifyAll();
    return true;
  }

  /** The piece whose turn it is. */
  synchronized int next() {
    return next;
  }

  /** After {@link #breakOff}, when nobody waits any more: the piece whose turn it is may come. */
  synchronized void resume() {
    broken = false;
  }

  /** Lets nobody wait any longer: a piece will never come. Its failure is thrown by the caller. */
  synchronized void breakOff() {
    broken = true;
    notifyAll();
  }
}
