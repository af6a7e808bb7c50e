package org.dunlin.it.simulation;

import org.dunlin.protocol.WorkerId;

/** A teacher's stream to a learner: in order, each item some ticks after the one before. */
final class SimulatedLesson {
  private final Simulation simulation;
  private final SimulatedWorker teacher;
  private final WorkerId learner;
  private final long number;
  private final int share;
  private boolean begun;
  private boolean broken;
  private long lastAt;

  SimulatedLesson(
      Simulation simulation, SimulatedWorker teacher, WorkerId learner, long number, int share) {
    this.simulation = simulation;
    this.teacher = teacher;
    this.learner = learner;
    this.number = number;
    this.share = share;
    simulation.later(this::begin);
  }

  // What is read later than the lesson began is newer, and no step is told twice.
  private void begin() {
    if (teacher.isAlive() && !broken) {
      begun = true;
      long parameters = teacher.parameters();
      long steps = teacher.applied();
      deliver(() -> simulation.workers().get(learner).taught(number, share, parameters, steps));
    } else {
      breakOff();
    }
  }

  /** The teacher has applied a step. */
  void applied(long gradient) {
    if (begun && !broken) {
      deliver(() -> simulation.workers().get(learner).taughtStep(number, share, gradient));
    }
  }

  void breakOff() {
    if (!broken) {
      broken = true;
      deliver(() -> simulation.workers().get(learner).lessonBroke(number));
    }
  }

  private void deliver(Runnable item) {
    lastAt = Math.max(lastAt, simulation.now()) + simulation.delay();
    simulation.at(lastAt, item);
  }
}
