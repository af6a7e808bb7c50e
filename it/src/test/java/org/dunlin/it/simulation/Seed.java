package org.dunlin.it.simulation;

import java.util.SplittableRandom;
import org.dunlin.coordinator.step.EvaluationPlan;

/** The run, the storm and the calm run beside it that a seed stands for. */
final class Seed {
  private Seed() {}

  /**
   * Runs it.
   *
   * @return the messages that were dropped because they came late or twice
   * @throws AssertionError with the line that replays it
   */
  static int play(long seed, Minds minds) {
    SplittableRandom draw = new SplittableRandom(seed);
    int slots = 1 << draw.nextInt(5);
    int workers = 1 + draw.nextInt(7);
    int steps = 1 + draw.nextInt(12);
    int empty = draw.nextInt(slots);
    int fit = 1 << draw.nextInt(4);
    long shortFrom = draw.nextInt(2 * steps);
    Storm.Plan plan = Storm.Plan.draw(draw, steps);
    // Of its own, so that the storms of seeds stay as they were.
    SplittableRandom other = new SplittableRandom(~seed);
    EvaluationPlan evaluations = new EvaluationPlan(other.nextInt(4), other.nextInt(3));
    Lies lies = Lies.draw(other, steps);
    Simulation.Shape shape = new Simulation.Shape(workers, slots, steps, empty, fit, shortFrom);
    try {
      Simulation stormy = new Simulation(seed, shape, plan, minds, evaluations, lies);
      Simulation.Outcome found = stormy.run();
      if (found.parameters().isPresent()) {
        Simulation.Shape one =
            new Simulation.Shape(1, slots, steps, empty, Simulation.ROWS, Long.MAX_VALUE);
        Simulation calm = new Simulation(seed, one, Storm.Plan.CALM).with(stormy.records());
        calm.run();
        Invariants.check(
            found.parameters().get() == calm.invariants().parametersAfter(found.steps()),
            "saved other parameters than a calm run with the same records");
      }
      return stormy.discards();
    } catch (AssertionError e) {
      throw new AssertionError(
          "%s; %s; %s; %s; %s; replay: mvn test -pl it -am -Dtest=SimulationTest -Dsurefire.failIfNoSpecifiedTests=false -Ddunlin.simulation.seed=%d -Ddunlin.simulation.seeds=1"
              .formatted(e.getMessage(), shape, plan, evaluations, lies, seed),
          e);
    }
  }
}
