package org.dunlin.it.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Each deliberate bug is caught by an invariant or a run that does not end. */
@Tag("simulation")
class MutationTest {
  private static final long SEEDS = 10_000;

  @ParameterizedTest
  @EnumSource
  void shouldBeCaught(Mutation bug) {
    assertThat(seedThatCatches(bug)).as("the first seed of %d that catches it", SEEDS).isPositive();
  }

  /** 0 if none does. Only a broken rule counts, no exception: that may be the mutation's own. */
  private static long seedThatCatches(Mutation bug) {
    for (long seed = 1; seed <= SEEDS; seed++) {
      try {
        Seed.play(seed, bug);
      } catch (AssertionError caught) {
        return seed;
      }
    }
    return 0;
  }
}
