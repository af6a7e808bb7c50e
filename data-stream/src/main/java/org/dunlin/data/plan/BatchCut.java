package org.dunlin.data.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;

/** Cuts a window's rows, sorted by length, into global batches. */
final class BatchCut {
  private BatchCut() {}

  /**
   * The batches in their order of training.
   *
   * @param tokens real tokens of each row, its query and its group
   * @return {@code [batches][rows]}: places in {@code tokens}, each exactly once
   */
  static List<int[]> cut(int[] tokens, BatchSpec spec, Draws draws) {
    int[] sorted = Lengths.descending(tokens);
    List<int[]> batches = new ArrayList<>();
    int first = 0;
    while (first < sorted.length) {
      int end = end(sorted, first, tokens, spec);
      batches.add(Arrays.copyOfRange(sorted, first, end));
      first = end;
    }
    return shuffled(batches, draws);
  }

  private static int end(int[] sorted, int first, int[] tokens, BatchSpec spec) {
    long most = spec.tokens() > 0 ? spec.tokens() : Long.MAX_VALUE;
    int longest = tokens[sorted[first]];
    if (longest > most) {
      throw Refusal.run(
          "batch.tokens: %d is too small a budget (expected: >= %d, the tokens of one sample with its group of %d); raise it or lower data.passage-max-tokens"
              .formatted(most, longest, spec.groupSize()));
    }
    long sum = longest;
    int end = first + 1;
    while (end < sorted.length && end - first < spec.pairs() && sum + tokens[sorted[end]] <= most) {
      sum += tokens[sorted[end]];
      end++;
    }
    return end;
  }

  /** Otherwise training would go from long to short, over and over. */
  private static List<int[]> shuffled(List<int[]> batches, Draws draws) {
    int[] order = new int[batches.size()];
    Arrays.setAll(order, place -> place);
    draws.shuffle(order, order.length);
    return Arrays.stream(order).mapToObj(batches::get).toList();
  }
}
