package org.dunlin.data.draws;

/**
 * Random numbers of one decision: splitmix64 (Steele, Lea, Flood 2014), started from a key that
 * names the decision. Another decision has another key, so none depends on how many numbers an
 * earlier one took. Belongs to one thread.
 */
public final class Draws {
  /** What is decided; part of the key, so that equal numbers do not repeat among kinds. */
  public enum Kind {
    EPOCH_ORDER(0),
    GROUP(1),
    BATCH_ORDER(2),
    HEADS(3),
    TEXT_SHUFFLE(4),
    SUB_SAMPLE(5),
    SOURCE_ORDER(6),
    AUDIT(7);

    private final int key;

    Kind(int key) {
      this.key = key;
    }
  }

  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private long state;

  /**
   * @param number of the decision within its kind and epoch: a row, a window
   */
  public Draws(long seed, Kind kind, long epoch, long number) {
    state = mix(mix(mix(mix(seed + GOLDEN) + kind.key) + epoch) + number);
  }

  /** A whole number from 0 to {@code bound - 1}, each equally likely. */
  public int below(int bound) {
    if (bound < 1) {
      throw new IllegalArgumentException("bound: " + bound + " (expected: >= 1)");
    }
    // The highest numbers, an incomplete round of the bound, are drawn again.
    while (true) {
      long bits = next() >>> 1;
      long drawn = bits % bound;
      if (bits - drawn + (bound - 1) >= 0) {
        return (int) drawn;
      }
    }
  }

  /** A number from 0 to below 1, a multiple of 2 to the power of -53. */
  public double unit() {
    return (next() >>> 11) * 0x1.0p-53;
  }

  /** Puts the first {@code places} in a random order, drawn from the whole array. */
  public void shuffle(int[] values, int places) {
    for (int place = 0; place < Math.min(places, values.length - 1); place++) {
      int other = place + below(values.length - place);
      int value = values[place];
      values[place] = values[other];
      values[other] = value;
    }
  }

  private long next() {
    state += GOLDEN;
    return mix(state);
  }

  private static long mix(long value) {
    long z = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
