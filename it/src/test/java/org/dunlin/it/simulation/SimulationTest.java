package org.dunlin.it.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Runs whole trainings under seeded storms. Replay one seed with {@code mvn test -pl it -am
 * -Dtest=SimulationTest -Dsurefire.failIfNoSpecifiedTests=false -Ddunlin.simulation.seed=SEED
 * -Ddunlin.simulation.seeds=1}.
 */
@Tag("simulation")
class SimulationTest {
  private static final long FIRST_SEED = Long.getLong("dunlin.simulation.seed", 1);
  private static final int SEEDS = Integer.getInteger("dunlin.simulation.seeds", 500);

  @Test
  void shouldEndInTheParametersOfACalmRunWithTheSameRecordsUnderAnyStorm() {
    int discards = 0;
    for (long seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      discards += storm(seed);
    }
    assertThat(discards).as("late and repeated messages that were dropped").isPositive();
  }

  @Test
  void shouldReplayASeedExactly() {
    assertThat(storm(FIRST_SEED + 7)).isEqualTo(storm(FIRST_SEED + 7));
  }

  private static int storm(long seed) {
    SplittableRandom draw = new SplittableRandom(seed);
    int slots = 1 << draw.nextInt(5);
    int workers = 1 + draw.nextInt(7);
    int steps = 1 + draw.nextInt(12);
    int empty = draw.nextInt(slots);
    Simulation.Storm storm =
        new Simulation.Storm(
            1 + draw.nextInt(50),
            draw.nextDouble() * draw.nextInt(2),
            draw.nextInt(4),
            draw.nextInt(3));
    int fit = 1 << draw.nextInt(4);
    long shortFrom = draw.nextInt(2 * steps);
    try {
      Simulation stormy =
          new Simulation(
              seed, new Simulation.Shape(workers, slots, steps, empty, fit, shortFrom), storm);
      long found = stormy.run();
      Simulation.Shape one =
          new Simulation.Shape(1, slots, steps, empty, Simulation.ROWS, Long.MAX_VALUE);
      Simulation calm = new Simulation(seed, one, Simulation.Storm.CALM).with(stormy.records());
      assertThat(found).isEqualTo(calm.run());
      return stormy.discards();
    } catch (AssertionError | RuntimeException e) {
      throw new AssertionError("seed=" + seed + " " + storm + ": " + e.getMessage(), e);
    }
  }
}
