package org.dunlin.data.plan;

import java.util.Arrays;

/** Sorting by length. Ties keep their places, so the order is a function of the lengths alone. */
final class Lengths {
  private Lengths() {}

  /** Places from the longest to the shortest, ties by place. */
  static int[] descending(int[] tokens) {
    long[] keys = new long[tokens.length];
    // Length above, place below: one sort of numbers, stable because no two are equal.
    Arrays.setAll(keys, place -> ((long) (Integer.MAX_VALUE - tokens[place]) << 32) | place);
    Arrays.sort(keys);
    return Arrays.stream(keys).mapToInt(key -> (int) key).toArray();
  }
}
