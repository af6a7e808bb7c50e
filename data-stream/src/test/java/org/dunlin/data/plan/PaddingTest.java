package org.dunlin.data.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.dunlin.protocol.run.BatchSpec;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * How much of an encoder's work is padding, on a corpus with few long texts: log-normal lengths,
 * passages with a median of 60 tokens and a 99th percentile of 800, queries of 12 and 40; batches
 * of 64 queries in 8 slots, micro-batches of up to 4096 tokens.
 */
class PaddingTest {
  private static final int ROWS = 12_800;
  private static final double NORMAL_P99 = 2.3263;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 8})
  void shouldPadAtMostThreePercent(int groupSize) {
    for (int seed = 1; seed <= 3; seed++) {
      double share = paddedShare(groupSize, seed);
      System.out.printf("padding: group of %d, seed %d: %.2f %%%n", groupSize, seed, 100 * share);
      assertThat(share).isLessThanOrEqualTo(0.03);
    }
  }

  private static double paddedShare(int groupSize, int seed) {
    BatchSpec spec = new BatchSpec(64, 0, groupSize, 8, 4096, 50, 64, 4096, 1);
    int[][] corpus = corpus(groupSize, new Random(seed));
    EpochPlan plan = new EpochPlan(seed, 0, ROWS, spec);
    long real = 0;
    long padded = 0;
    for (int window = 0; window < plan.windows(); window++) {
      int[] rows = plan.window(window);
      int[] tokens = Arrays.stream(rows).map(row -> Arrays.stream(corpus[row]).sum()).toArray();
      for (int[] batch : plan.steps(window, tokens).stream().flatMap(List::stream).toList()) {
        int[] first = SlotCut.firstQueries(batch.length, spec.slots());
        for (int slot = 0; slot < spec.slots(); slot++) {
          int[] lengths =
              Arrays.stream(batch, first[slot], first[slot + 1])
                  .flatMap(place -> Arrays.stream(corpus[rows[place]]))
                  .toArray();
          real += Arrays.stream(lengths).sum();
          padded += padded(lengths, spec.microBatchTokens());
        }
      }
    }
    return (double) (padded - real) / padded;
  }

  private static long padded(int[] lengths, int mostTokens) {
    return Arrays.stream(MicroBatchCut.cut(lengths, mostTokens))
        .mapToLong(
            rows ->
                MicroBatchCut.work(
                    (long) rows.length * lengths[rows[0]],
                    lengths[rows[0]],
                    Arrays.stream(rows).mapToLong(row -> lengths[row]).sum()))
        .sum();
  }

  /** The query's length, then its passages', of every row. */
  private static int[][] corpus(int groupSize, Random random) {
    int[][] rows = new int[ROWS][1 + groupSize];
    for (int[] row : rows) {
      row[0] = length(random, 12, 40, 64);
      for (int passage = 1; passage <= groupSize; passage++) {
        row[passage] = length(random, 60, 800, 4096);
      }
    }
    return rows;
  }

  private static int length(Random random, double median, double p99, int most) {
    double sigma = Math.log(p99 / median) / NORMAL_P99;
    return Math.clamp(Math.round(median * Math.exp(sigma * random.nextGaussian())), 3, most);
  }
}
