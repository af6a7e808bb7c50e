package org.dunlin.conf.probe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.junit.jupiter.api.Test;

class LimitSearchTest {
  private static final int TOKENS = 8192;

  /** Bytes of a token, and of each pair of tokens of a row: more than linear in the length. */
  private static long bytes(int rows, int tokens, long linear, long square) {
    return rows * (linear * tokens + square * tokens * tokens);
  }

  @Test
  void shouldTryOnceWhereTheDearestFits() {
    List<String> tried = new ArrayList<>();

    List<MicroBatchLimit> limits =
        LimitSearch.find(batch(List.of()), 512, (rows, tokens) -> tried.add(rows + "x" + tokens));

    assertThat(limits).isEmpty();
    assertThat(tried).containsExactly("16x512");
  }

  @Test
  void shouldHalveUntilItFitsForEachClassOfLengths() {
    List<MicroBatchLimit> limits =
        LimitSearch.find(
            batch(List.of()), 512, (rows, tokens) -> bytes(rows, tokens, 256, 1) <= 1 << 20);

    // 384 KiB a row of 512: 2 of them fit. Then 95 KiB a row of 255: no 17, but 9. And so on.
    assertThat(limits)
        .containsExactly(new MicroBatchLimit(4, 2048), new MicroBatchLimit(128, 1024));
  }

  @Test
  void shouldAllowNothingThatDoesNotFitAndHalveNothingThatDoes() {
    SplittableRandom random = new SplittableRandom(1);
    for (int round = 0; round < 200; round++) {
      int longest = random.nextInt(2, 3000);
      long linear = random.nextLong(1, 1000);
      long square = random.nextLong(0, 4);
      // At least one row of the longest.
      long most = (long) (bytes(1, longest, linear, square) * random.nextDouble(1, 40));
      BatchSpec batch = batch(List.of());

      List<MicroBatchLimit> limits =
          LimitSearch.find(
              batch, longest, (rows, tokens) -> bytes(rows, tokens, linear, square) <= most);

      BatchSpec found = batch.withLimits(limits);
      for (int tokens = 1; tokens <= longest; tokens++) {
        int rows = Math.min(1024, found.mostRows(tokens));
        assertThat(bytes(rows, tokens, linear, square)).isLessThanOrEqualTo(most);
        if (rows < Math.min(1024, batch.mostRows(tokens))) {
          // About twice of it did not fit, or a limit of shorter texts would have done.
          int longestOfClass = Math.min(longest, 2 * Integer.highestOneBit(tokens) - 1);
          int atLongest = found.mostRows(longestOfClass);
          assertThat(bytes(2 * atLongest + 3, longestOfClass, linear, square)).isGreaterThan(most);
        }
      }
      for (int i = 1; i < limits.size(); i++) {
        assertThat(limits.get(i).minTokens()).isGreaterThan(limits.get(i - 1).minTokens());
        assertThat(limits.get(i).mostTokens()).isLessThan(limits.get(i - 1).mostTokens());
      }
    }
  }

  @Test
  void shouldBeginWithTheLimitsThatArePutThere() {
    List<MicroBatchLimit> own = List.of(new MicroBatchLimit(100, 1000));
    List<Integer> tried = new ArrayList<>();

    List<MicroBatchLimit> limits =
        LimitSearch.find(
            batch(own),
            200,
            (rows, tokens) -> {
              tried.add(rows * tokens);
              return rows * tokens <= 700;
            });

    assertThat(tried).first().isEqualTo(1000);
    assertThat(batch(limits).mostRows(100)).isLessThanOrEqualTo(7);
  }

  @Test
  void shouldRefuseWhereASingleTextDoesNotFitWithItsLength() {
    assertThatThrownBy(
            () -> LimitSearch.find(batch(List.of()), 300, (rows, tokens) -> tokens < 100))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("a single text of 300 tokens")
        .hasMessageContaining("gradient-checkpointing");
  }

  private static BatchSpec batch(List<MicroBatchLimit> limits) {
    return new BatchSpec(8, 0, 1, 8, TOKENS, 1, 512, 512, 1).withLimits(limits);
  }
}
