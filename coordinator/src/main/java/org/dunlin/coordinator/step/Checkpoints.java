package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import org.dunlin.coordinator.step.Checkpointing.Pending;
import org.dunlin.coordinator.step.Effect.Abandon;
import org.dunlin.coordinator.step.Effect.FindCheckpoint;
import org.dunlin.coordinator.step.Effect.Note;
import org.dunlin.coordinator.step.Effect.Renounce;
import org.dunlin.coordinator.step.Effect.Rewind;
import org.dunlin.coordinator.step.Effect.Snapshot;
import org.dunlin.coordinator.step.Effect.WriteManifest;
import org.dunlin.coordinator.step.Event.CheckpointFailed;
import org.dunlin.coordinator.step.Event.CheckpointFound;
import org.dunlin.coordinator.step.Event.CheckpointWritten;
import org.dunlin.coordinator.step.Event.PartLost;
import org.dunlin.coordinator.step.Event.PartWritten;
import org.dunlin.coordinator.step.State.Phase;
import org.dunlin.coordinator.step.StepProtocol.Decision;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;

/**
 * A run's checkpoints: at a commit members begin to write their shares of the state, and go on
 * training; when all shares lie on the disk the manifest is written, and only then the checkpoint
 * exists. One at a time. One that a death spoiled is begun again at the next commit; what a disk
 * does not take is said, and the run goes on.
 *
 * <p>When all that held the state are lost, the run goes back to the newest complete one, and
 * workers begin from that.
 */
final class Checkpoints {
  /** Times in a row that a run goes back without getting further. */
  static final int MOST_IN_VAIN = 8;

  private final Term term;
  private final CheckpointPlan plan;
  private final Ending ending;
  private final Measuring measuring;

  Checkpoints(Term term, CheckpointPlan plan, Ending ending, Measuring measuring) {
    this.term = term;
    this.plan = plan;
    this.ending = ending;
    this.measuring = measuring;
  }

  /** Whether the step that has just been committed has one; it then {@link #begin begins}. */
  boolean isDue(State state, boolean endsEpoch, boolean ends) {
    long done = state.step();
    boolean byPlan =
        (plan.everySteps() > 0 && done % plan.everySteps() == 0)
            || (plan.atEpochEnd() && endsEpoch)
            || (plan.atStop() && ends)
            || measuring.isDue(state, done);
    return (byPlan || state.checkpoints().due()) && state.checkpoints().newest() != done;
  }

  /** Has those that stay write it; while another one is being written, after that one. */
  State begin(State state, CheckpointPoint point, List<Effect> effects) {
    if (state.checkpoints().pending().isPresent()) {
      return state.with(state.checkpoints().owing(point));
    }
    List<WorkerId> staying =
        state.teachers().stream()
            .filter(state::isMember)
            .filter(worker -> !state.leaving().contains(worker))
            .toList();
    List<WorkerId> writers = staying.isEmpty() ? List.copyOf(state.loaded()) : staying;
    if (writers.isEmpty()) {
      return state;
    }
    State next = state.with(state.checkpoints().begin(point, new TreeSet<>(writers)));
    effects.add(new Snapshot(next.checkpoints().begun(), point.steps(), writers));
    return next;
  }

  Decision written(State state, PartWritten event) {
    Optional<Pending> pending = pendingOf(state, event.term(), event.number(), event.worker());
    if (pending.isEmpty()) {
      return Ending.discard(state, event, "that part is not waited for");
    }
    Pending next = pending.get().with(event.worker(), event.part());
    List<CheckpointPart> parts = next.parts();
    return new Decision(
        state.with(state.checkpoints().withPending(Optional.of(next))),
        next.waited().isEmpty() ? List.of(new WriteManifest(next.point(), parts)) : List.of());
  }

  Decision lost(State state, PartLost event) {
    Optional<Pending> pending = pendingOf(state, event.term(), event.number(), event.worker());
    if (pending.isEmpty()) {
      return Ending.discard(state, event, "that part is not waited for");
    }
    long steps = pending.get().point().steps();
    Note note =
        new Note(
            "the checkpoint after %d steps is not made: worker %s: %s; the run goes on"
                .formatted(steps, event.worker(), event.why()));
    List<Effect> effects = new ArrayList<>(List.of(new Abandon(steps), note));
    State next = state.with(state.checkpoints().withPending(Optional.empty()));
    next = catchUp(measuring.broke(next, steps, event.why(), this, effects), effects);
    return endIfSaved(next, effects);
  }

  private Optional<Pending> pendingOf(State state, Term of, long number, WorkerId writer) {
    return state
        .checkpoints()
        .pending()
        .filter(one -> of.equals(term) && one.number() == number)
        .filter(one -> one.waited().contains(writer));
  }

  Decision written(State state, CheckpointWritten event) {
    State next = without(state, event.steps());
    List<Effect> effects = new ArrayList<>();
    if (event.steps() <= state.step()) { // else of steps that the run has gone back from
      next = next.with(next.checkpoints().withNewest(event.steps()));
    }
    return endIfSaved(catchUp(measuring.goOn(next, this, effects), effects), effects);
  }

  // A run that is ending has no next commit for the one that is due.
  private State catchUp(State state, List<Effect> effects) {
    Optional<CheckpointPoint> owed = owed(state);
    return state.phase() == Phase.SAVING && !isPending(state) && owed.isPresent()
        ? begin(state, owed.get(), effects)
        : state;
  }

  private static Optional<CheckpointPoint> owed(State state) {
    Checkpointing of = state.checkpoints();
    return of.owed().filter(point -> point.steps() == state.step() && of.newest() != point.steps());
  }

  Decision failed(State state, CheckpointFailed event) {
    List<Effect> effects = new ArrayList<>();
    effects.add(new Abandon(event.steps()));
    effects.add(
        new Note(
            "the checkpoint after %d steps is not made: %s; the run goes on"
                .formatted(event.steps(), event.sentence())));
    State next = without(state, event.steps());
    next = catchUp(measuring.broke(next, event.steps(), event.sentence(), this, effects), effects);
    return endIfSaved(next, effects);
  }

  private static State without(State state, long steps) {
    boolean isThat =
        state.checkpoints().pending().filter(one -> one.point().steps() == steps).isPresent();
    return isThat ? state.with(state.checkpoints().withPending(Optional.empty())) : state;
  }

  /** A run whose model lies on the disk has waited for its last checkpoint and its figure alone. */
  Decision endIfSaved(State state, List<Effect> before) {
    if (state.phase() != Phase.SAVING || !state.modelSaved() || ending.waits(state)) {
      return new Decision(state, List.copyOf(before));
    }
    return ending.end(state, before);
  }

  /** Whether one is being written, for which a run that ends waits. */
  static boolean isPending(State state) {
    return state.checkpoints().pending().isPresent();
  }

  /** What a lost or leaving worker leaves of one: nothing, unless its share is written. */
  State without(State state, WorkerId worker, List<Effect> effects) {
    Optional<Pending> spoiled =
        state.checkpoints().pending().filter(one -> one.waited().contains(worker));
    if (spoiled.isEmpty()) {
      return state;
    }
    CheckpointPoint point = owed(state).orElse(spoiled.get().point());
    effects.add(new Abandon(spoiled.get().point().steps()));
    State next = state.with(state.checkpoints().withPending(Optional.empty()).withDue(true));
    return state.phase() == Phase.SAVING ? begin(next, point, effects) : next;
  }

  /** All that held the state are lost. */
  Decision rewind(State state, List<Effect> before, String why) {
    if (!plan.rewinds()) {
      return ending.fail(state, why);
    }
    if (state.checkpoints().inVain() == MOST_IN_VAIN) {
      return ending.fail(
          state,
          "%s; the run went back to a checkpoint %d times and never got further"
              .formatted(why, MOST_IN_VAIN));
    }
    List<Effect> effects = new ArrayList<>(before);
    state
        .checkpoints()
        .pending()
        .filter(one -> !one.waited().isEmpty())
        .ifPresent(one -> effects.add(new Abandon(one.point().steps())));
    effects.add(new Note(why + "; no worker holds the state any more"));
    effects.add(new FindCheckpoint());
    return new Decision(state.withoutState(), List.copyOf(effects));
  }

  /** Steps that were committed become others, because memory is shorter than it was. */
  List<Effect> renounce(State state, long fromStep) {
    return List.of(
        new Renounce(fromStep, state.generation().next()),
        new Note(
            "steps %d to %d were committed with larger micro-batches than there is memory for now; they are computed again, to other bits"
                .formatted(fromStep + 1, state.checkpoints().furthest())));
  }

  Decision found(State state, CheckpointFound event, Roster roster) {
    if (state.phase() != Phase.FINDING) {
      return Ending.discard(state, event, "no checkpoint is looked for");
    }
    CheckpointPoint point = event.point();
    State next = state.withRewound(point);
    List<Effect> effects = new ArrayList<>();
    effects.add(new Rewind(point, next.checkpoints().history()));
    effects.add(
        new Note(
            point.steps() == 0
                ? "the run begins from its first state"
                : "the run goes on from its checkpoint after %d steps".formatted(point.steps())));
    return roster.fill(next, effects);
  }
}
