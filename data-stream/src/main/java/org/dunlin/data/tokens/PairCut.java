package org.dunlin.data.tokens;

/** Which text of a pair loses its end where both are too long together. */
public enum PairCut {
  /** The longer one, until they are of equal length, then both in turn. */
  LONGEST_FIRST {
    @Override
    int first(int first, int second, int most) {
      int shorter = Math.min(first, second);
      int longer = Math.max(shorter, most - shorter);
      if (first + second <= most) {
        return first;
      }
      if (shorter > most || shorter + longer > most) {
        // The second text gets the odd token, unless it was the shorter one.
        return first > second ? most / 2 + most % 2 : most / 2;
      }
      return first > second ? longer : shorter;
    }
  },
  /** The second; the first only if it alone is too long. */
  ONLY_SECOND {
    @Override
    int first(int first, int second, int most) {
      return Math.min(first, most);
    }
  };

  /** Tokens that are left of the first text; the second has the rest of {@code most}. */
  abstract int first(int first, int second, int most);
}
