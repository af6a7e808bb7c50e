package org.dunlin.data.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;

/** Slots are contiguous runs of a batch's queries, as even as possible, the last ones empty. */
class SlotCutTest {

  @Property
  void slotsPartitionTheQueries(
      @ForAll @IntRange(min = 1, max = 3000) int queries, @ForAll @IntRange(max = 10) int power) {
    int slots = 1 << power;
    int[] first = SlotCut.firstQueries(queries, slots);
    assertThat(first).hasSize(slots + 1).startsWith(0).endsWith(queries);
    int[] sizes = IntStream.range(0, slots).map(slot -> first[slot + 1] - first[slot]).toArray();
    int least = queries / slots;
    assertThat(Arrays.stream(sizes)).allMatch(size -> size == least || size == least + 1);
    // Descending: what is short or empty comes last.
    assertThat(IntStream.range(1, slots)).allMatch(slot -> sizes[slot] <= sizes[slot - 1]);
  }
}
