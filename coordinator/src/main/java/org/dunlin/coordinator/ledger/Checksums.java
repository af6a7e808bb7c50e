package org.dunlin.coordinator.ledger;

import java.util.Arrays;
import java.util.BitSet;
import java.util.OptionalLong;

/** The checksum of each committed step's reduced gradient; eight bytes a step. Thread-safe. */
public final class Checksums {
  private static final int LEAST = 1024;

  private final BitSet known = new BitSet();
  private long[] checksums = new long[LEAST];

  /**
   * Remembers a step's, unless it is known.
   *
   * @return what is known of the step from now on
   */
  public synchronized long put(long step, long checksum) {
    int at = Math.toIntExact(step);
    if (!known.get(at)) {
      if (at >= checksums.length) {
        checksums = Arrays.copyOf(checksums, Math.max(at + 1, 2 * checksums.length));
      }
      known.set(at);
      checksums[at] = checksum;
    }
    return checksums[at];
  }

  /** How many steps are known, none missing between. */
  public synchronized long steps() {
    return known.nextClearBit(0);
  }

  /** The last of them's; 0 if there is none. */
  public synchronized long last() {
    return steps() == 0 ? 0 : checksums[Math.toIntExact(steps() - 1)];
  }

  /** A step's; empty if it is not known. */
  public synchronized OptionalLong of(long step) {
    int at = Math.toIntExact(step);
    return known.get(at) ? OptionalLong.of(checksums[at]) : OptionalLong.empty();
  }

  /** Forgets a step and all later ones. */
  public synchronized void forget(long fromStep) {
    known.clear(Math.toIntExact(fromStep), Math.max(Math.toIntExact(fromStep), known.length()));
  }
}
