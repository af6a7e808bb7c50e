package org.dunlin.data.plan;

import java.util.Arrays;
import org.dunlin.data.draws.Draws;

/**
 * The passages that a query gets in an epoch: places in its lists of positives and negatives.
 *
 * @param positive place of the one positive
 * @param negatives {@code [groupSize - 1]} places; none twice where there are enough
 */
public record Group(int positive, int[] negatives) {

  /**
   * Draws as FlagEmbedding does: with too few negatives their list is repeated until it is long
   * enough, and drawn from without replacement.
   */
  static Group draw(Draws draws, int positives, int negatives, int groupSize) {
    int positive = draws.below(positives);
    int needed = groupSize - 1;
    if (needed == 0) {
      return new Group(positive, new int[0]);
    }
    if (negatives < 1) {
      throw new IllegalArgumentException(
          "negatives: 0 (expected: >= 1 for a group of " + groupSize + ")");
    }
    int repeats = Math.max(1, (needed + negatives - 1) / negatives);
    int[] places = new int[Math.multiplyExact(repeats, negatives)];
    Arrays.setAll(places, place -> place % negatives);
    draws.shuffle(places, needed);
    return new Group(positive, Arrays.copyOf(places, needed));
  }
}
