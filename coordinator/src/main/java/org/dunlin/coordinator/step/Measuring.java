package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.dunlin.coordinator.step.Effect.KeepCheckpoints;
import org.dunlin.coordinator.step.Effect.LeaveUnmeasured;
import org.dunlin.coordinator.step.Effect.Measure;
import org.dunlin.coordinator.step.Event.Measured;
import org.dunlin.coordinator.step.State.Phase;
import org.dunlin.coordinator.step.StepProtocol.Decision;

/**
 * A run's evaluations: a state that is measured is written into a checkpoint, and its files are
 * measured while the run goes on. At most one is under way: the step after a measured state is not
 * committed before that state's checkpoint is complete, and the next measured state not before the
 * figure is known. What follows from a figure does so there, however long the measuring took.
 */
final class Measuring {
  /** Attempts at a checkpoint, after which its state is not measured. */
  static final int MOST_ATTEMPTS = 3;

  private final EvaluationPlan plan;
  private final long last;

  Measuring(EvaluationPlan plan, long last) {
    this.plan = plan;
    this.last = last;
  }

  /** Whether the state after so many steps is measured, and has not been yet. */
  boolean isDue(State state, long steps) {
    return plan.measures(steps, last) && !state.evaluations().isKnown(steps);
  }

  /** Whether the run ends here because nothing got better. */
  boolean stops(State state) {
    return plan.stops(state.step(), last, state.evaluations().figures());
  }

  String sentence() {
    return "%d evaluation%s in a row found nothing better; the run ends here"
        .formatted(plan.patience(), plan.patience() == 1 ? "" : "s");
  }

  /** Whether the step for which all are prepared must not be committed yet. */
  boolean waits(State state) {
    Evaluations now = state.evaluations();
    return now.dueAt(state.step()).isPresent()
        || (now.underWay().isPresent() && plan.measures(state.step() + 1, last));
  }

  /**
   * Begins what is to be done next, if nothing is under way: the checkpoint of the state that is
   * due, or its measuring, or that of an earlier state that a coordinator's death left.
   */
  State goOn(State state, Checkpoints checkpoints, List<Effect> effects) {
    boolean goesBack = state.phase() == Phase.FINDING; // to where, is not known yet
    if (plan.everySteps() == 0 || goesBack || state.evaluations().underWay().isPresent()) {
      return state;
    }
    Optional<CheckpointPoint> due = state.evaluations().dueAt(state.step());
    if (due.isPresent() && state.checkpoints().newest() != state.step()) {
      return Checkpoints.isPending(state) ? state : checkpoints.begin(state, due.get(), effects);
    }
    long steps = plan.lastMeasured(state.step(), last);
    boolean isStopped = state.stopAsked() && state.phase() == Phase.SAVING; // resumed, it goes on
    if (steps == 0 || state.evaluations().isKnown(steps) || isStopped) {
      return state;
    }
    State next = state.with(state.evaluations().begin(steps));
    effects.add(new KeepCheckpoints(next.evaluations().kept()));
    effects.add(new Measure(next.evaluations().begun(), steps));
    return next;
  }

  /** A checkpoint is not made: if it was to be measured it is begun again, but not for ever. */
  State broke(State state, long steps, String why, Checkpoints checkpoints, List<Effect> effects) {
    if (state.evaluations().dueAt(steps).isEmpty() || steps != state.step()) {
      return goOn(state, checkpoints, effects);
    }
    State next = state.with(state.evaluations().withAttempt());
    if (next.evaluations().attempts() < MOST_ATTEMPTS) {
      return goOn(next, checkpoints, effects);
    }
    next = next.with(next.evaluations().begin(steps));
    effects.add(new LeaveUnmeasured(next.evaluations().begun(), steps, why));
    return next;
  }

  Decision measured(State state, Measured event, Checkpoints checkpoints) {
    if (!state.evaluations().isUnderWay(event.number())) {
      return Ending.discard(state, event, "that evaluation is not waited for");
    }
    State next = state.with(state.evaluations().measured(event.steps(), event.figure()));
    List<Effect> effects = new ArrayList<>();
    effects.add(new KeepCheckpoints(next.evaluations().kept()));
    next = goOn(next, checkpoints, effects);
    return new Decision(next, effects);
  }
}
