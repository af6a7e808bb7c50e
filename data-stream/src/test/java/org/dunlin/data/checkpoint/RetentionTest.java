package org.dunlin.data.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;

/** The newest ones, those at round numbers and the best one stay; no others do. */
class RetentionTest {
  @Example
  void shouldKeepTheNewestTheRoundAndTheBest() {
    List<Long> steps = List.of(20L, 40L, 60L, 80L, 100L, 120L);
    assertThat(new Retention(1, 0, Set.of()).of(steps)).containsExactly(120L);
    assertThat(new Retention(2, 50, Set.of()).of(steps)).containsExactly(120L, 100L);
    assertThat(new Retention(2, 40, Set.of(20L)).of(steps))
        .containsExactly(120L, 100L, 80L, 40L, 20L);
    assertThat(new Retention(9, 0, Set.of(7L)).of(steps)).hasSize(6);
    assertThat(new Retention(3, 10, Set.of(7L)).of(List.of())).isEmpty();
  }

  @Property
  void shouldKeepWhatARuleNamesAndNothingElse(
      @ForAll Set<@LongRange(min = 0, max = 200) Long> steps,
      @ForAll @IntRange(min = 1, max = 5) int last,
      @ForAll @LongRange(min = 0, max = 30) long every,
      @ForAll @LongRange(min = 0, max = 200) long best) {
    List<Long> kept = new Retention(last, every, Set.of(best)).of(List.copyOf(steps));
    Set<Long> expected = new HashSet<>();
    steps.stream().sorted(Comparator.reverseOrder()).limit(last).forEach(expected::add);
    steps.stream().filter(step -> every > 0 && step % every == 0).forEach(expected::add);
    steps.stream().filter(step -> step == best).forEach(expected::add);
    assertThat(kept).containsExactlyInAnyOrderElementsOf(expected);
    assertThat(kept).isSortedAccordingTo(Comparator.reverseOrder());
  }

  @Example
  void shouldRefuseToKeepNone() {
    assertThatThrownBy(() -> new Retention(0, 0, Set.of()))
        .hasMessage("keep-last: 0 (expected: >= 1)");
  }
}
