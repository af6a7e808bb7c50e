package org.dunlin.worker.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/** Figures worked out by hand, and what holds for any ranking. */
class RetrievalMetricsTest {
  private static final double LOG3 = Math.log(3) / Math.log(2); // the discount at rank 2
  private static final double LOG5 = Math.log(5) / Math.log(2); // at rank 4

  @Test
  void countsByHand() {
    // Top grade 3 at ranks 2 and 4, grade 1 at rank 1; document 9 is judged but not found.
    RetrievalMetrics found =
        RetrievalMetrics.of(new int[][] {{5, 7, 0, 8}}, List.of(Map.of(7, 3, 8, 3, 5, 1, 9, 2)));
    assertThat(found.ndcg10()).isCloseTo((1 / LOG3 + 1 / LOG5) / (1 + 1 / LOG3), within(1e-12));
    assertThat(found.gradedNdcg10())
        .isCloseTo((1 + 3 / LOG3 + 3 / LOG5) / (3 + 3 / LOG3 + 2 / 2.0 + 1 / LOG5), within(1e-12));
    assertThat(found.hit1()).isZero();
    assertThat(found.hit10()).isEqualTo(1);
    assertThat(found.recall100()).isEqualTo(1);
    assertThat(found.mrr10()).isEqualTo(0.5);
  }

  @Test
  void looksNoFurtherThanTenAndAHundred() {
    int[] ranking = IntStream.range(0, 200).toArray();
    RetrievalMetrics found = RetrievalMetrics.of(new int[][] {ranking}, List.of(Map.of(10, 1)));
    assertThat(found.ndcg10()).isZero();
    assertThat(found.hit10()).isZero();
    assertThat(found.mrr10()).isZero();
    assertThat(found.recall100()).isEqualTo(1);
    assertThat(
            RetrievalMetrics.of(new int[][] {ranking}, List.of(Map.of(100, 1, 99, 1))).recall100())
        .isEqualTo(0.5);
  }

  @Test
  void averagesOverQueries() {
    RetrievalMetrics found =
        RetrievalMetrics.of(new int[][] {{1}, {1}}, List.of(Map.of(1, 2), Map.of(2, 2)));
    assertThat(found.hit1()).isEqualTo(0.5);
    assertThat(found.text()).contains("nDCG@10 50.0").contains("hit@1 50.0");
  }

  @Test
  void refusesAQueryWithoutAnAnswer() {
    assertThatThrownBy(() -> RetrievalMetrics.of(new int[][] {{1}}, List.of(Map.of())))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("at least one grade");
  }

  @Property
  void isOneForTheIdealRankingAndNeverMore(@ForAll long seed) {
    Random random = new Random(seed);
    Map<Integer, Integer> grades = new HashMap<>();
    for (int i = random.nextInt(1, 30); i > 0; i--) {
      grades.put(random.nextInt(60), random.nextInt(1, 4));
    }
    int[] ideal =
        IntStream.range(0, 60)
            .boxed()
            .sorted((a, b) -> grades.getOrDefault(b, 0) - grades.getOrDefault(a, 0))
            .mapToInt(d -> d)
            .toArray();
    RetrievalMetrics best = RetrievalMetrics.of(new int[][] {ideal}, List.of(grades));
    assertThat(List.of(best.ndcg10(), best.gradedNdcg10(), best.hit1(), best.mrr10()))
        .allSatisfy(value -> assertThat(value).isCloseTo(1, within(1e-12)));
    int[] shuffled = ideal.clone();
    for (int i = shuffled.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = shuffled[i];
      shuffled[i] = shuffled[j];
      shuffled[j] = swapped;
    }
    RetrievalMetrics any = RetrievalMetrics.of(new int[][] {shuffled}, List.of(grades));
    assertThat(
            Arrays.asList(
                any.ndcg10(), any.gradedNdcg10(), any.hit1(), any.hit10(), any.recall100()))
        .allSatisfy(value -> assertThat(value).isBetween(0.0, 1 + 1e-12));
  }
}
