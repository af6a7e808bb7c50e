package org.dunlin.data.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.junit.jupiter.api.Test;

/** Each row in one micro-batch, none over the budget, and no cheaper cut. */
class MicroBatchCutTest {

  @Property(tries = 500)
  void everyRowIsInOneMicroBatchWithinTheBudget(
      @ForAll @Size(min = 1, max = 200) List<@IntRange(min = 1, max = 100) Integer> lengths,
      @ForAll @IntRange(min = 112, max = 2000) int budget,
      @ForAll @IntRange(min = 1, max = 16) int padMultiple) {
    int[] tokens = lengths.stream().mapToInt(length -> length).toArray();
    int[][] cut = MicroBatchCut.cut(tokens, spec(budget, padMultiple));
    assertThat(Arrays.stream(cut).flatMapToInt(Arrays::stream).sorted().toArray())
        .isEqualTo(IntStream.range(0, tokens.length).toArray());
    assertThat(List.of(cut)).allMatch(rows -> padded(rows, tokens, padMultiple) <= budget);
    assertThat(cost(cut, tokens, padMultiple))
        .isLessThanOrEqualTo(cost(greedy(tokens, budget, padMultiple), tokens, padMultiple));
    assertThat(MicroBatchCut.cut(tokens, spec(budget, padMultiple))).isDeepEqualTo(cut);
  }

  @Property(tries = 300)
  void noCutOfTheSortedRowsIsCheaper(
      @ForAll @Size(min = 1, max = 9) List<@IntRange(min = 1, max = 400) Integer> lengths,
      @ForAll @IntRange(min = 400, max = 2000) int budget) {
    int[] tokens = lengths.stream().mapToInt(length -> length).toArray();
    int[] sorted = Lengths.descending(tokens);
    long least = Long.MAX_VALUE;
    for (int cuts = 0; cuts < 1 << (tokens.length - 1); cuts++) {
      int[][] candidate = at(cuts, sorted);
      if (Arrays.stream(candidate).allMatch(rows -> padded(rows, tokens, 1) <= budget)) {
        least = Math.min(least, cost(candidate, tokens, 1));
      }
    }
    assertThat(cost(MicroBatchCut.cut(tokens, budget), tokens, 1)).isEqualTo(least);
  }

  @Test
  void shouldKeepTiesInTheirPlacesAndTheLongestFirst() {
    assertThat(MicroBatchCut.cut(new int[] {5, 900, 5, 900, 6}, 4096))
        .isDeepEqualTo(new int[][] {{1, 3}, {4, 0, 2}});
  }

  @Test
  void shouldBoundTheRowsOfAMicroBatch() {
    int[] tokens = new int[20_000];
    Arrays.fill(tokens, 2);
    assertThat(List.of(MicroBatchCut.cut(tokens, Integer.MAX_VALUE)))
        .hasSize(20)
        .allMatch(rows -> rows.length <= MicroBatchCut.MOST_ROWS);
  }

  @Property(tries = 200)
  void noMicroBatchHasMoreRowsThanSaid(
      @ForAll @Size(min = 1, max = 200) List<@IntRange(min = 1, max = 100) Integer> lengths,
      @ForAll @IntRange(min = 1, max = 40) int mostRows) {
    int[] tokens = lengths.stream().mapToInt(length -> length).toArray();
    int[][] cut = MicroBatchCut.cut(tokens, rows(mostRows));
    assertThat(List.of(cut)).allMatch(rows -> rows.length <= mostRows);
    assertThat(Arrays.stream(cut).flatMapToInt(Arrays::stream).sorted().toArray())
        .isEqualTo(IntStream.range(0, tokens.length).toArray());
  }

  @Test
  void shouldRefuseARowThatDoesNotFitTheBudget() {
    assertThatThrownBy(() -> MicroBatchCut.cut(new int[] {3, 60}, spec(63, 8)))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("micro-batch.tokens: 63 (expected: >= 64, ")
        .hasMessageContaining("data.passage-max-tokens");
  }

  @Property(tries = 300)
  void everyLimitHolds(
      @ForAll @Size(min = 1, max = 100) List<@IntRange(min = 1, max = 300) Integer> lengths,
      @ForAll @IntRange(min = 1, max = 300) int from,
      @ForAll @IntRange(min = 1, max = 600) int most) {
    int[] tokens = lengths.stream().mapToInt(length -> length).toArray();
    BatchSpec spec = spec(600, 1).with(new MicroBatchLimit(from, most));
    for (int[] rows : MicroBatchCut.cut(tokens, spec)) {
      int longest = Arrays.stream(rows).map(row -> tokens[row]).max().orElseThrow();
      assertThat(rows.length == 1 || rows.length * longest <= (longest < from ? 600 : most))
          .isTrue();
    }
  }

  private static BatchSpec rows(int most) {
    return new BatchSpec(8, 0, 1, 8, 4096, 1, 64, 64, 1, 1, most, List.of());
  }

  private static BatchSpec spec(int budget, int padMultiple) {
    return new BatchSpec(8, 0, 1, 8, budget, 1, 64, 64, padMultiple);
  }

  /** Fills micro-batches until the budget is full, as one would by hand. */
  private static int[][] greedy(int[] tokens, int budget, int padMultiple) {
    List<int[]> cut = new ArrayList<>();
    List<Integer> open = new ArrayList<>();
    for (int row : Lengths.descending(tokens)) {
      open.add(row);
      if (padded(open.stream().mapToInt(r -> r).toArray(), tokens, padMultiple) > budget) {
        open.removeLast();
        cut.add(open.stream().mapToInt(r -> r).toArray());
        open = new ArrayList<>(List.of(row));
      }
    }
    cut.add(open.stream().mapToInt(r -> r).toArray());
    return cut.toArray(int[][]::new);
  }

  /** The cut whose bits say after which rows it cuts. */
  private static int[][] at(int cuts, int[] sorted) {
    List<int[]> parts = new ArrayList<>();
    int first = 0;
    for (int end = 1; end <= sorted.length; end++) {
      if (end == sorted.length || (cuts >> (end - 1) & 1) == 1) {
        parts.add(Arrays.copyOfRange(sorted, first, end));
        first = end;
      }
    }
    return parts.toArray(int[][]::new);
  }

  private static long cost(int[][] cut, int[] tokens, int padMultiple) {
    return Arrays.stream(cut)
        .mapToLong(
            rows -> {
              int places = (int) padded(rows, tokens, padMultiple);
              long real = Arrays.stream(rows).mapToLong(row -> tokens[row]).sum();
              return MicroBatchCut.work(places, places / rows.length, real)
                  + MicroBatchCut.OVERHEAD_TOKENS;
            })
        .sum();
  }

  private static long padded(int[] rows, int[] tokens, int padMultiple) {
    int longest = Arrays.stream(rows).map(row -> tokens[row]).max().orElseThrow();
    int padded = (longest + padMultiple - 1) / padMultiple * padMultiple;
    return (long) rows.length * padded;
  }
}
