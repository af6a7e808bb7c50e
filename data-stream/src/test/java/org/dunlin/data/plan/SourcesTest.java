package org.dunlin.data.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.dunlin.protocol.run.BatchSpec;
import org.junit.jupiter.api.Test;

/**
 * With several sources, too, every row comes once an epoch, and only with rows of its own source.
 */
class SourcesTest {
  private static final int LONGEST = 90;

  @Property(tries = 300)
  void everyRowIsUsedOnceWithItsOwnSource(
      @ForAll long seed,
      @ForAll @IntRange(max = 3) int epoch,
      @ForAll @IntRange(min = 1, max = 7) int count,
      @ForAll @IntRange(min = 1, max = 6) int sortWindow,
      @ForAll boolean budget) {
    Sources sources = sources(count, new Random(seed));
    BatchSpec spec = new BatchSpec(8, budget ? LONGEST * 3 : 0, 2, 8, 4096, sortWindow, 64, 64, 1);
    List<int[]> batches = batches(new EpochPlan(seed, epoch, sources, spec));
    int[] used = batches.stream().flatMapToInt(Arrays::stream).sorted().toArray();
    int[] all =
        sources.all().stream().flatMapToInt(s -> Arrays.stream(s.rows())).sorted().toArray();
    assertThat(used).isEqualTo(all);
    for (int[] batch : batches) {
      RowSource source = sources.of(batch[0]);
      int number = sources.number(batch[0]);
      assertThat(batch.length).isLessThanOrEqualTo(source.pairs());
      assertThat(Arrays.stream(batch).allMatch(row -> sources.number(row) == number)).isTrue();
    }
    if (!budget) {
      assertThat((long) batches.size()).isEqualTo(sources.steps(1));
    }
    List<int[]> again = batches(new EpochPlan(seed, epoch, sources, spec));
    assertThat(Arrays.deepEquals(again.toArray(), batches.toArray())).isTrue();
  }

  @Property(tries = 300)
  void aStepIsOfOneSourceAndFullButForTheSourcesLast(
      @ForAll long seed,
      @ForAll @IntRange(max = 3) int epoch,
      @ForAll @IntRange(min = 1, max = 7) int count,
      @ForAll @IntRange(min = 1, max = 6) int sortWindow,
      @ForAll @IntRange(min = 1, max = 5) int pools) {
    Sources sources = sources(count, new Random(seed));
    BatchSpec spec = new BatchSpec(8, 0, 2, 8, 4096, sortWindow, 64, 64, 1, pools, 0, List.of());
    List<List<int[]>> steps = steps(new EpochPlan(seed, epoch, sources, spec));
    assertThat((long) steps.size()).isEqualTo(sources.steps(pools));
    int[] used = steps.stream().flatMap(List::stream).flatMapToInt(Arrays::stream).toArray();
    assertThat(used).doesNotHaveDuplicates().hasSize(sources.rows());
    int[] shortSteps = new int[sources.all().size()];
    for (List<int[]> step : steps) {
      int number = sources.number(step.get(0)[0]);
      RowSource source = sources.all().get(number);
      int[] rows = step.stream().flatMapToInt(Arrays::stream).toArray();
      assertThat(Arrays.stream(rows)).allMatch(row -> sources.number(row) == number);
      assertThat(step).hasSize(Math.ceilDiv(rows.length, source.pairs()));
      assertThat(step.subList(0, step.size() - 1)).allMatch(b -> b.length == source.pairs());
      shortSteps[number] += rows.length < source.pairs() * pools ? 1 : 0;
    }
    for (int number = 0; number < shortSteps.length; number++) {
      RowSource source = sources.all().get(number);
      boolean divides = source.rows().length % (source.pairs() * pools) == 0;
      assertThat(shortSteps[number]).isEqualTo(divides ? 0 : 1);
    }
  }

  @Test
  void shouldMixSourcesThroughTheEpoch() {
    int[] even = IntStream.range(0, 400).map(row -> 2 * row).toArray();
    int[] odd = IntStream.range(0, 400).map(row -> 2 * row + 1).toArray();
    Sources sources =
        new Sources(
            List.of(
                new RowSource(even, 8, 2, true, false, false),
                new RowSource(odd, 8, 2, false, false, false)));
    BatchSpec spec = new BatchSpec(8, 0, 2, 8, 4096, 10, 64, 64, 1);
    List<int[]> batches = batches(new EpochPlan(3, 0, sources, spec));
    long changes =
        IntStream.range(1, batches.size())
            .filter(n -> batches.get(n)[0] % 2 != batches.get(n - 1)[0] % 2)
            .count();
    assertThat(batches).hasSize(100);
    assertThat(changes).isBetween(30L, 70L);
  }

  @Test
  void shouldRefuseARowInTwoSources() {
    RowSource source = new RowSource(new int[] {1, 2}, 8, 2, true, false, false);
    assertThatThrownBy(() -> new Sources(List.of(source, source)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("row 1: in two sources");
  }

  private static Sources sources(int count, Random random) {
    List<List<Integer>> rows = new ArrayList<>();
    IntStream.range(0, count).forEach(n -> rows.add(new ArrayList<>()));
    int total = 1 + random.nextInt(300);
    for (int row = 0; row < total; row++) {
      int source = random.nextInt(count + 1); // the last one: left out
      if (source < count) {
        rows.get(source).add(row);
      }
    }
    return new Sources(
        rows.stream()
            .map(
                own ->
                    new RowSource(
                        own.stream().mapToInt(row -> row).toArray(),
                        1 + random.nextInt(12),
                        1 + random.nextInt(4),
                        random.nextBoolean(),
                        false,
                        false))
            .toList());
  }

  private static List<int[]> batches(EpochPlan plan) {
    return steps(plan).stream().flatMap(List::stream).toList();
  }

  /** By step and batch: rows. */
  private static List<List<int[]>> steps(EpochPlan plan) {
    List<List<int[]>> steps = new ArrayList<>();
    for (int window = 0; window < plan.windows(); window++) {
      int[] rows = plan.window(window);
      int[] tokens = Arrays.stream(rows).map(row -> 2 + row * 31 % (LONGEST - 1)).toArray();
      for (List<int[]> step : plan.steps(window, tokens)) {
        steps.add(
            step.stream()
                .map(batch -> Arrays.stream(batch).map(place -> rows[place]).toArray())
                .toList());
      }
    }
    return steps;
  }
}
