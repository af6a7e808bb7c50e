package org.dunlin.data.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.dunlin.protocol.run.BatchSpec;
import org.junit.jupiter.api.Test;

/** A query's passages: one positive, and negatives without replacement from a list long enough. */
class GroupTest {

  @Property(tries = 500)
  void negativesAreTakenAsOftenAsTheListHadToBeRepeated(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 5) int positives,
      @ForAll @IntRange(min = 1, max = 20) int negatives,
      @ForAll @IntRange(min = 1, max = 20) int groupSize) {
    Group group = plan(seed, 0, groupSize).group(3, positives, negatives);
    assertThat(group.positive()).isBetween(0, positives - 1);
    assertThat(group.negatives()).hasSize(groupSize - 1);
    int repeats = Math.max(1, (groupSize - 1 + negatives - 1) / negatives);
    int[] times = new int[negatives];
    Arrays.stream(group.negatives()).forEach(place -> times[place]++);
    assertThat(Arrays.stream(times)).allMatch(taken -> taken <= repeats);
    Group again = plan(seed, 0, groupSize).group(3, positives, negatives);
    assertThat(again.positive()).isEqualTo(group.positive());
    assertThat(again.negatives()).isEqualTo(group.negatives());
  }

  @Test
  void shouldDrawAfreshForEveryEpochAndRow() {
    long epochs =
        IntStream.range(0, 50)
            .mapToObj(epoch -> Arrays.toString(plan(1, epoch, 4).group(0, 1, 100).negatives()))
            .distinct()
            .count();
    long rows =
        IntStream.range(0, 50)
            .mapToObj(row -> Arrays.toString(plan(1, 0, 4).group(row, 1, 100).negatives()))
            .distinct()
            .count();
    assertThat(epochs).isEqualTo(50);
    assertThat(rows).isEqualTo(50);
  }

  @Test
  void shouldDrawEveryPassageAboutAsOften() {
    int[] positives = new int[4];
    int[] negatives = new int[10];
    EpochPlan plan = plan(5, 0, 4);
    for (int row = 0; row < 10_000; row++) {
      Group group = plan.group(row, 4, 10);
      positives[group.positive()]++;
      Arrays.stream(group.negatives()).forEach(place -> negatives[place]++);
    }
    assertThat(Arrays.stream(positives)).allMatch(taken -> Math.abs(taken - 2500) < 250);
    assertThat(Arrays.stream(negatives)).allMatch(taken -> Math.abs(taken - 3000) < 300);
  }

  private static EpochPlan plan(long seed, int epoch, int groupSize) {
    return new EpochPlan(seed, epoch, 10_000, new BatchSpec(8, 0, groupSize, 8, 64, 1, 8, 8, 1));
  }
}
