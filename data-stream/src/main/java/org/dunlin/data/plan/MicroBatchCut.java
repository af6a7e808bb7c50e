package org.dunlin.data.plan;

import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;

/**
 * Cuts a slot's rows into micro-batches: the cheapest cut of the rows sorted by length, found by
 * dynamic programming. The cost of a micro-batch is its {@link #work} and {@link #OVERHEAD_TOKENS}.
 *
 * <p>The longest rows come first, so that threads that share a slot end at about the same time.
 */
public final class MicroBatchCut {
  /**
   * What one more micro-batch costs, in tokens: calls into the engine, products with fewer rows,
   * and above all a pass over the gradients of all parameters. An estimate from memory bandwidth
   * and tokens a second with 22 and 33 million parameters, 20 to 40 tokens; not timed by itself.
   */
  static final int OVERHEAD_TOKENS = 32;

  /**
   * Where a padded place costs half of a real token. Padding reaches only attention, whose share of
   * a layer's work at length L is about L / (L + 6 * hidden), with hidden from 384 to 1024.
   */
  static final int HALF_COST_TOKENS = 4096;

  /** Bounds the search; with this many rows the overhead of a further cut is nothing. */
  public static final int MOST_ROWS = 1024;

  private MicroBatchCut() {}

  /**
   * The cut with the least cost.
   *
   * @param tokens of each row, at least 1
   * @param batch has the limits
   * @return {@code [micro-batches][rows]}: places in {@code tokens}, each exactly once
   */
  public static int[][] cut(int[] tokens, BatchSpec batch) {
    return cut(tokens, batch.microBatchTokens(), batch::mostRows, batch.padMultiple());
  }

  /** The same with one limit, and no multiple that rows are padded to. */
  public static int[][] cut(int[] tokens, int mostTokens) {
    return cut(tokens, mostTokens, padded -> mostTokens / padded, 1);
  }

  private static int[][] cut(
      int[] tokens, int mostTokens, IntUnaryOperator mostRows, int padMultiple) {
    int[] sorted = Lengths.descending(tokens);
    int[] real = Arrays.stream(sorted).map(row -> tokens[row]).toArray();
    int[] padded = padded(sorted, tokens, padMultiple);
    if (padded.length > 0 && padded[0] > mostTokens) {
      throw Refusal.run(
          "micro-batch.tokens: %d (expected: >= %d, the padded length of the longest text); raise it or lower data.query-max-tokens and data.passage-max-tokens"
              .formatted(mostTokens, padded[0]));
    }
    int[] starts = starts(padded, real, mostRows);
    int[][] microBatches = new int[starts.length - 1][];
    for (int number = 0; number < microBatches.length; number++) {
      microBatches[number] = Arrays.copyOfRange(sorted, starts[number], starts[number + 1]);
    }
    return microBatches;
  }

  /**
   * What a micro-batch costs to compute, in tokens: its real tokens, and what padding adds.
   *
   * @param places rows times padded length
   * @param longest padded length
   * @param real tokens that are not padding
   */
  public static long work(long places, int longest, long real) {
    return real + (places - real) * longest / (longest + HALF_COST_TOKENS);
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
   * @param real lengths, in the same order
   */
  private static int[] starts(int[] padded, int[] real, IntUnaryOperator mostRows) {
    int rows = padded.length;
    long[] cost = new long[rows + 1]; // of the rows from here to the end
    int[] next = new int[rows + 1]; // where the micro-batch that begins here ends
    int cuts = 0;
    for (int first = rows - 1; first >= 0; first--) {
      cost[first] = Long.MAX_VALUE;
      int most = Math.min(rows - first, Math.min(MOST_ROWS, mostRows.applyAsInt(padded[first])));
      long tokens = 0;
      for (int end = first + 1; end <= first + most; end++) {
        tokens += real[end - 1];
        long places = (long) (end - first) * padded[first];
        long total = work(places, padded[first], tokens) + OVERHEAD_TOKENS + cost[end];
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
