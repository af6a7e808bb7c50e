package org.dunlin.worker.evaluate;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * How well rankings put the relevant documents first: means over queries, each 0 to 1.
 *
 * <p>Except for the graded figure only a query's top grade counts as relevant.
 *
 * @param queries how many
 * @param ndcg10 normalised discounted cumulative gain of the first 10
 * @param gradedNdcg10 the same with all grades, each counting as its number; the ideal ranking is
 *     that of all judged documents
 * @param hit1 share of queries whose first document is relevant
 * @param hit10 share of queries with a relevant document among the first 10
 * @param recall100 share of a query's relevant documents among the first 100
 * @param mrr10 one by the rank of the first relevant document, 0 if it is not among the first 10
 */
public record RetrievalMetrics(
    int queries,
    double ndcg10,
    double gradedNdcg10,
    double hit1,
    double hit10,
    double recall100,
    double mrr10) {

  /** As many documents of each ranking are looked at. */
  public static final int DEPTH = 100;

  private static final int FIRST = 10;

  /**
   * Computes them.
   *
   * @param rankings document indices, best first, each at least {@link #DEPTH} long or complete
   * @param relevances by query: document index to grade, 1 and up, at least one
   */
  public static RetrievalMetrics of(int[][] rankings, List<Map<Integer, Integer>> relevances) {
    if (rankings.length != relevances.size() || rankings.length == 0) {
      throw new IllegalArgumentException(
          "rankings: %d (expected: %d, at least 1)".formatted(rankings.length, relevances.size()));
    }
    double[] sums = new double[6];
    for (int q = 0; q < rankings.length; q++) {
      double[] found = of(rankings[q], relevances.get(q));
      for (int i = 0; i < sums.length; i++) {
        sums[i] += found[i];
      }
    }
    int n = rankings.length;
    return new RetrievalMetrics(
        n, sums[0] / n, sums[1] / n, sums[2] / n, sums[3] / n, sums[4] / n, sums[5] / n);
  }

  private static double[] of(int[] ranking, Map<Integer, Integer> grades) {
    int top = grades.values().stream().mapToInt(Integer::intValue).max().orElse(0);
    if (top < 1) {
      throw new IllegalArgumentException(
          "relevances: " + grades + " (expected: at least one grade of 1 or more)");
    }
    int relevant = (int) grades.values().stream().filter(grade -> grade == top).count();
    int[] ideal =
        grades.values().stream().sorted(Comparator.reverseOrder()).mapToInt(g -> g).toArray();
    int first = firstRank(ranking, grades, top);
    long among =
        IntStream.of(ranking).limit(DEPTH).filter(d -> grades.getOrDefault(d, 0) == top).count();
    return new double[] {
      gain(ranking.length, rank -> grades.getOrDefault(ranking[rank], 0) == top ? 1 : 0)
          / gain(relevant, rank -> 1),
      gain(ranking.length, rank -> grades.getOrDefault(ranking[rank], 0))
          / gain(ideal.length, rank -> ideal[rank]),
      first == 0 ? 1 : 0,
      first < FIRST ? 1 : 0,
      (double) among / relevant,
      first < FIRST ? 1.0 / (first + 1) : 0
    };
  }

  private static int firstRank(int[] ranking, Map<Integer, Integer> grades, int top) {
    return IntStream.range(0, ranking.length)
        .filter(rank -> grades.getOrDefault(ranking[rank], 0) == top)
        .findFirst()
        .orElse(Integer.MAX_VALUE);
  }

  private static double gain(int ranks, IntToDoubleFunction gainAt) {
    double sum = 0;
    for (int rank = 0; rank < Math.min(ranks, FIRST); rank++) {
      sum += gainAt.applyAsDouble(rank) / (StrictMath.log(rank + 2) / StrictMath.log(2));
    }
    return sum;
  }

  /** One line for people, in hundredths. */
  public String text() {
    return String.format(
        Locale.ROOT,
        "nDCG@10 %.1f (graded %.1f), hit@1 %.1f, hit@10 %.1f, recall@100 %.1f, MRR@10 %.1f",
        100 * ndcg10,
        100 * gradedNdcg10,
        100 * hit1,
        100 * hit10,
        100 * recall100,
        100 * mrr10);
  }
}
