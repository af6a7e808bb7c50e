package org.dunlin.data.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dunlin.data.draws.Draws;
import org.dunlin.protocol.Refusal;

/** Cuts rows of one source, sorted by length, into global batches. */
final class BatchCut {
  private BatchCut() {}

  /**
   * The batches, from the longest rows to the shortest.
   *
   * @param places that are cut: all, or those of one source
   * @param tokens real tokens of each place's row, its query and its group
   * @param mostTokens of a batch; 0: any
   * @return {@code [batches][rows]}: places, each exactly once
   */
  static List<int[]> cut(int[] places, int[] tokens, RowSource source, long mostTokens) {
    int[] lengths = Arrays.stream(places).map(place -> tokens[place]).toArray();
    int[] sorted = Arrays.stream(Lengths.descending(lengths)).map(at -> places[at]).toArray();
    List<int[]> batches = new ArrayList<>();
    int first = 0;
    while (first < sorted.length) {
      int end = end(sorted, first, tokens, source, mostTokens > 0 ? mostTokens : Long.MAX_VALUE);
      batches.add(Arrays.copyOfRange(sorted, first, end));
      first = end;
    }
    return batches;
  }

  private static int end(int[] sorted, int first, int[] tokens, RowSource source, long most) {
    int longest = tokens[sorted[first]];
    if (longest > most) {
      throw Refusal.run(
          "batch.tokens: %d is too small a budget (expected: >= %d, the tokens of one sample with its group of %d); raise it or lower data.passage-max-tokens"
              .formatted(most, longest, source.groupSize()));
    }
    long sum = longest;
    int end = first + 1;
    while (end < sorted.length
        && end - first < source.pairs()
        && sum + tokens[sorted[end]] <= most) {
      sum += tokens[sorted[end]];
      end++;
    }
    return end;
  }

  /** In a random order: otherwise training would go from long to short, over and over. */
  static <T> List<T> shuffled(List<T> batches, Draws draws) {
    int[] order = new int[batches.size()];
    Arrays.setAll(order, place -> place);
    draws.shuffle(order, order.length);
    return Arrays.stream(order).mapToObj(batches::get).toList();
  }
}
