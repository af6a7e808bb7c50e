package org.dunlin.data.plan;

import java.util.Arrays;
import org.dunlin.protocol.Refusal;

/**
 * Cuts a slot's rows into micro-batches: the cheapest cut of the rows sorted by length, found by
 * dynamic programming. The cost of a micro-batch is its padded tokens and {@link #OVERHEAD_TOKENS}.
 *
 * <p>The longest rows come first, so that threads that share a slot end at about the same time.
 */
public final class MicroBatchCut {
  /**
   * What one more micro-batch costs, in tokens: some calls into the engine, and products with fewer
   * rows. Without it every length would get a micro-batch of its own.
   *
   * <p>Chosen for the padding, not from a timed worker: of 128, 64, 32, 16, 12 and 8 the largest
   * that keeps it under 3 % on the skewed corpus of {@code PaddingTest} with 1, 2 and 8 passages a
   * query. There 128 gives 9 to 13 %, and micro-batches three times as large.
   */
  static final int OVERHEAD_TOKENS = 12;

  /** Bounds the search; with this many rows the overhead of a further cut is nothing. */
  static final int MOST_ROWS = 1024;

  private MicroBatchCut() {}

  /**
   * The cut with the least cost.
   *
   * @param tokens of each row, at least 1
   * @param mostTokens padded tokens of a micro-batch
   * @param padMultiple rows are padded up to a multiple of this
   * @return {@code [micro-batches][rows]}: places in {@code tokens}, each exactly once
   */
  public static int[][] cut(int[] tokens, int mostTokens, int padMultiple) {
    int[] sorted = Lengths.descending(tokens);
    int[] starts = starts(padded(sorted, tokens, padMultiple), mostTokens);
    int[][] microBatches = new int[starts.length - 1][];
    for (int number = 0; number < microBatches.length; number++) {
      microBatches[number] = Arrays.copyOfRange(sorted, starts[number], starts[number + 1]);
    }
    return microBatches;
  }

  private static int[] padded(int[] sorted, int[] tokens, int padMultiple) {
    return Arrays.stream(sorted)
        .map(row -> (tokens[row] + padMultiple - 1) / padMultiple * padMultiple)
        .toArray();
  }

  /**
   * Where each micro-batch begins, and the number of rows as the last one.
   *
   * @param padded lengths, descending: a micro-batch is as long as its first row
   */
  private static int[] starts(int[] padded, int mostTokens) {
    int rows = padded.length;
    if (rows > 0 && padded[0] > mostTokens) {
      throw Refusal.run(
          "micro-batch.tokens: %d (expected: >= %d, the padded length of the longest text); raise it or lower data.query-max-tokens and data.passage-max-tokens"
              .formatted(mostTokens, padded[0]));
    }
    long[] cost = new long[rows + 1]; // of the rows from here to the end
    int[] next = new int[rows + 1]; // where the micro-batch that begins here ends
    int cuts = 0;
    for (int first = rows - 1; first >= 0; first--) {
      cost[first] = Long.MAX_VALUE;
      int most = Math.min(rows - first, Math.min(MOST_ROWS, mostTokens / padded[first]));
      for (int end = first + 1; end <= first + most; end++) {
        long total = (long) (end - first) * padded[first] + OVERHEAD_TOKENS + cost[end];
        if (total < cost[first]) {
          cost[first] = total;
          next[first] = end;
        }
      }
    }
    int[] starts = new int[rows + 1];
    for (int at = 0; at < rows; at = next[at]) {
      starts[++cuts] = next[at];
    }
    return Arrays.copyOf(starts, cuts + 1);
  }
}
