package org.dunlin.data.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.junit.jupiter.api.Test;

/** Every row once an epoch, the same for equal seeds, another order for others. */
class EpochPlanTest {
  private static final int LONGEST = 200;

  @Property(tries = 300)
  void everyRowIsUsedExactlyOnceAnEpoch(
      @ForAll long seed,
      @ForAll @IntRange(max = 5) int epoch,
      @ForAll @IntRange(min = 1, max = 500) int rows,
      @ForAll @IntRange(min = 1, max = 40) int pairs,
      @ForAll @IntRange(min = 1, max = 6) int sortWindow,
      @ForAll @IntRange(max = 1000) int extraTokens) {
    long budget = extraTokens == 0 ? 0 : LONGEST + extraTokens;
    List<int[]> steps = steps(seed, epoch, rows, spec(pairs, budget, sortWindow));
    assertThat(steps.stream().flatMapToInt(Arrays::stream).sorted().toArray())
        .isEqualTo(IntStream.range(0, rows).toArray());
    assertThat(steps).allMatch(step -> step.length >= 1 && step.length <= pairs);
    if (budget == 0) {
      assertThat(steps).hasSize((rows + pairs - 1) / pairs);
    } else {
      assertThat(steps)
          .allMatch(step -> Arrays.stream(step).map(EpochPlanTest::tokens).sum() <= budget);
    }
  }

  @Property(tries = 100)
  void aPlanIsAFunctionOfSeedAndEpoch(@ForAll long seed, @ForAll @IntRange(max = 9) int epoch) {
    BatchSpec spec = spec(8, 0, 4);
    int[][] plan = steps(seed, epoch, 100, spec).toArray(int[][]::new);
    assertThat(steps(seed, epoch, 100, spec).toArray(int[][]::new)).isDeepEqualTo(plan);
    assertThat(Arrays.deepEquals(steps(seed + 1, epoch, 100, spec).toArray(), plan)).isFalse();
    assertThat(Arrays.deepEquals(steps(seed, epoch + 1, 100, spec).toArray(), plan)).isFalse();
  }

  @Property(tries = 200)
  void aBatchHoldsRowsOfNeighbouringLengths(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 300) int rows) {
    int[] tokens = new Random(seed).ints(rows, 2, LONGEST).toArray();
    List<int[]> batches =
        new EpochPlan(seed, 0, rows, spec(8, 0, 1000))
            .steps(0, tokens).stream().flatMap(List::stream).toList();
    int[] sorted =
        batches.stream()
            .sorted(
                Comparator.comparingInt((int[] batch) -> -tokens[batch[0]])
                    .thenComparingInt(batch -> -tokens[batch[batch.length - 1]]))
            .flatMapToInt(batch -> Arrays.stream(batch).map(place -> -tokens[place]))
            .toArray();
    assertThat(sorted).isSorted();
  }

  @Test
  void shouldNotTrainFromLongToShort() {
    int[] tokens = IntStream.rangeClosed(1, 400).toArray();
    List<int[]> batches =
        new EpochPlan(7, 0, 400, spec(8, 0, 50))
            .steps(0, tokens).stream().flatMap(List::stream).toList();
    int[] longest = batches.stream().mapToInt(batch -> tokens[batch[0]]).toArray();
    long falls =
        IntStream.range(1, longest.length).filter(n -> longest[n] < longest[n - 1]).count();
    assertThat(falls).isBetween(10L, 40L);
  }

  @Test
  void shouldShuffleEvenly() {
    // Each of 6 orders of 3 rows is as likely: 6000 draws, 1000 each, standard deviation 29.
    int[] seen = new int[27];
    for (int seed = 0; seed < 6000; seed++) {
      int[] order = new EpochPlan(seed, 0, 3, spec(3, 0, 1)).window(0);
      seen[order[0] * 9 + order[1] * 3 + order[2]]++;
    }
    assertThat(Arrays.stream(seen).filter(count -> count > 0))
        .hasSize(6)
        .allMatch(count -> Math.abs(count - 1000) < 150);
  }

  @Test
  void shouldRefuseABudgetThatASampleDoesNotFit() {
    EpochPlan plan = new EpochPlan(1, 0, 3, spec(8, 99, 1));
    assertThatThrownBy(() -> plan.steps(0, new int[] {50, 100, 20}))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("batch.tokens: 99 is too small a budget (expected: >= 100");
  }

  private static List<int[]> steps(long seed, int epoch, int rows, BatchSpec spec) {
    EpochPlan plan = new EpochPlan(seed, epoch, rows, spec);
    return IntStream.range(0, plan.windows())
        .boxed()
        .flatMap(
            number -> {
              int[] window = plan.window(number);
              int[] tokens = Arrays.stream(window).map(EpochPlanTest::tokens).toArray();
              return plan.steps(number, tokens).stream()
                  .flatMap(List::stream)
                  .map(batch -> Arrays.stream(batch).map(place -> window[place]).toArray());
            })
        .toList();
  }

  /** A row's length: any function of the row will do. */
  private static int tokens(int row) {
    return 2 + row * 7919 % (LONGEST - 1);
  }

  private static BatchSpec spec(int pairs, long tokens, int sortWindow) {
    return new BatchSpec(pairs, tokens, 2, 8, 4096, sortWindow, 64, 64, 1);
  }
}
