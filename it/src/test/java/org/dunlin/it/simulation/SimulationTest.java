package org.dunlin.it.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Runs whole trainings under seeded storms: the parameters saved must be those of a calm run with
 * the same records, and only what excuses a failure may end in one. A failure prints the line that
 * replays it; 100 000 seeds are {@code -Ddunlin.simulation.seeds=100000}.
 */
@Tag("simulation")
class SimulationTest {
  private static final long FIRST_SEED = Long.getLong("dunlin.simulation.seed", 1);
  private static final int SEEDS = Integer.getInteger("dunlin.simulation.seeds", 2000);
  private static final int FRESH_SEEDS = 2000;

  @Test
  void shouldEndAsACalmRunWithTheSameRecordsUnderAnyStorm() {
    long discards = play(FIRST_SEED, SEEDS);
    assertThat(discards).as("late and repeated messages that were dropped").isPositive();
  }

  /** Other seeds each time, far from those above; whatever fails says how it is replayed. */
  @Test
  void shouldDoSoUnderStormsThatNobodyHasSeenBefore() {
    assertThat(play(1000 * System.currentTimeMillis(), FRESH_SEEDS)).isPositive();
  }

  private static long play(long first, int seeds) {
    long discards = 0;
    for (long seed = first; seed < first + seeds; seed++) {
      discards += Seed.play(seed, Minds.PRODUCTION);
    }
    return discards;
  }

  @Test
  void shouldReplayASeedExactly() {
    int once = Seed.play(FIRST_SEED + 7, Minds.PRODUCTION);
    assertThat(Seed.play(FIRST_SEED + 7, Minds.PRODUCTION)).isEqualTo(once);
  }
}
