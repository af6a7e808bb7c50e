package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.dunlin.coordinator.step.Effect.AskState;
import org.dunlin.coordinator.step.Effect.Discard;
import org.dunlin.coordinator.step.Effect.Dismiss;
import org.dunlin.coordinator.step.Effect.Fail;
import org.dunlin.coordinator.step.Effect.Finish;
import org.dunlin.coordinator.step.Effect.Save;
import org.dunlin.coordinator.step.Event.Offered;
import org.dunlin.coordinator.step.Event.SaveFailed;
import org.dunlin.coordinator.step.Event.Saved;
import org.dunlin.coordinator.step.State.Phase;
import org.dunlin.coordinator.step.StepProtocol.Decision;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;

/** How a run ends: its parameters go from a member to the disk, or it fails with a sentence. */
final class Ending {
  private final Term term;
  private final long steps;
  private final long mostNotFinite;
  private final Measuring measuring;

  Ending(Term term, long steps, long mostNotFinite, Measuring measuring) {
    this.term = term;
    this.steps = steps;
    this.mostNotFinite = mostNotFinite;
    this.measuring = measuring;
  }

  Decision offered(State state, Offered event) {
    if (!state.source().equals(Optional.of(event.worker()))
        || !event.term().equals(term)
        || event.steps() != state.step()) {
      return discard(state, event, "nobody asked for the state after " + event.steps() + " steps");
    }
    return new Decision(
        state.withoutSource(), List.of(new Save(event.worker(), event.steps(), isDone(state))));
  }

  Decision saveFailed(State state, SaveFailed event) {
    if (state.phase() != Phase.SAVING || state.source().isPresent()) {
      return discard(state, event, "nothing was being saved");
    }
    return state.retries() == StepProtocol.MOST_RETRIES
        ? fail(
            state,
            "the model could not be fetched after %d new attempts; worker %s: %s"
                .formatted(StepProtocol.MOST_RETRIES, event.worker(), event.sentence()))
        : askAnother(state.withRetry(), event.worker(), List.of(), event.sentence());
  }

  /** Whether no step is left to be computed. */
  boolean isDone(State state) {
    return state.step() == steps || measuring.stops(state);
  }

  /** Asks a worker for the parameters. */
  Decision askOne(State state, List<Effect> before) {
    WorkerId source = state.loaded().first();
    List<Effect> effects = new ArrayList<>(before);
    effects.add(new AskState(source, state.step()));
    return new Decision(state.withSource(source), List.copyOf(effects));
  }

  /** Asks a member for the parameters: any but one, that one if there is no other. */
  Decision askAnother(State state, WorkerId but, List<Effect> before, String why) {
    Optional<WorkerId> next =
        state.loaded().stream()
            .filter(worker -> !worker.equals(but))
            .findFirst()
            .or(() -> state.loaded().stream().findFirst());
    if (next.isEmpty()) {
      return fail(state, why);
    }
    List<Effect> effects = new ArrayList<>(before);
    effects.add(new AskState(next.get(), state.step()));
    return new Decision(state.withSource(next.get()), List.copyOf(effects));
  }

  Decision saved(State state, Saved event) {
    if (state.phase() != Phase.SAVING) {
      return discard(state, event, "nothing was being saved");
    }
    return waits(state) ? new Decision(state.withModelSaved(), List.of()) : end(state, List.of());
  }

  /** Whether a run whose model is saved has something under way that must not be cut off. */
  boolean waits(State state) {
    boolean wantsFigure = !state.stopAsked() && !state.notFinite().reaches(mostNotFinite);
    return Checkpoints.isPending(state)
        || (wantsFigure && state.evaluations().underWay().isPresent());
  }

  /** The model is saved, and nothing is under way. */
  Decision end(State state, List<Effect> before) {
    return state.notFinite().reaches(mostNotFinite)
        ? fail(state, before, state.notFinite().sentence(state.step() - 1), true)
        : finish(state, before);
  }

  Decision finish(State state, List<Effect> before) {
    List<Effect> effects = new ArrayList<>(before);
    everybody(state).forEach(worker -> effects.add(new Dismiss(worker, "the run has ended")));
    effects.add(new Finish(state.step(), !isDone(state)));
    return new Decision(state.withPhase(Phase.ENDED), List.copyOf(effects));
  }

  // A run that was failing anyway still says why it began to.
  Decision fail(State state, String sentence) {
    return state.notFinite().reaches(mostNotFinite)
        ? fail(
            state,
            List.of(),
            "%s; the model could not be saved: %s"
                .formatted(state.notFinite().sentence(state.step() - 1), sentence),
            true)
        : fail(state, List.of(), sentence, false);
  }

  private Decision fail(State state, List<Effect> before, String sentence, boolean namesSamples) {
    List<Effect> effects = new ArrayList<>(before);
    everybody(state).forEach(worker -> effects.add(new Dismiss(worker, "the run has failed")));
    effects.add(new Fail(sentence, namesSamples));
    return new Decision(state.withPhase(Phase.ENDED), List.copyOf(effects));
  }

  private static Stream<WorkerId> everybody(State state) {
    return Stream.concat(state.joined().stream(), state.spares().stream());
  }

  static Decision discard(State state, Event event, String why) {
    return new Decision(state, List.of(new Discard(event, why)));
  }
}
