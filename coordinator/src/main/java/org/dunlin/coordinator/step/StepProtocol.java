package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dunlin.coordinator.step.Effect.AskState;
import org.dunlin.coordinator.step.Effect.Assign;
import org.dunlin.coordinator.step.Effect.Commit;
import org.dunlin.coordinator.step.Effect.Discard;
import org.dunlin.coordinator.step.Effect.Dismiss;
import org.dunlin.coordinator.step.Effect.Fail;
import org.dunlin.coordinator.step.Effect.Finish;
import org.dunlin.coordinator.step.Effect.Save;
import org.dunlin.coordinator.step.Effect.Welcome;
import org.dunlin.coordinator.step.Event.Broken;
import org.dunlin.coordinator.step.Event.Joined;
import org.dunlin.coordinator.step.Event.Loaded;
import org.dunlin.coordinator.step.Event.Lost;
import org.dunlin.coordinator.step.Event.Offered;
import org.dunlin.coordinator.step.Event.Prepared;
import org.dunlin.coordinator.step.Event.Saved;
import org.dunlin.coordinator.step.Event.StopAsked;
import org.dunlin.coordinator.step.State.Phase;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.StepResult;

/**
 * The coordinator's side of a run, one event at a time. Pure: no clock, no actor, no randomness.
 *
 * <pre>
 *   ASSEMBLING --all workers loaded--> STEPPING --last step committed, or stop--> SAVING --> ENDED
 *                                               --too many steps not finite---> SAVING --> failed
 * </pre>
 *
 * A step is committed when every member of the generation is prepared for it with the same
 * checksum, and only then does the next one begin. An event that is late, repeated or of another
 * life becomes a {@link Discard}, never an exception. Until members may come and go, a lost one
 * fails the run.
 */
public final class StepProtocol {
  /**
   * The next state, and what has to be done now.
   *
   * @param next state
   * @param effects to be carried out front to back
   */
  public record Decision(State next, List<Effect> effects) {}

  private final Term term;
  private final long steps;
  private final int slots;
  private final int workers;
  private final long mostNotFinite;

  /**
   * @param term of this coordinator
   * @param steps of the whole run
   * @param slots of every global batch
   * @param workers how many are waited for before the first step
   * @param mostNotFinite steps in a row without a finite loss and gradient after which the run
   *     fails, its parameters saved; 0 is never reached
   */
  public StepProtocol(Term term, long steps, int slots, int workers, long mostNotFinite) {
    this.term = term;
    this.steps = steps;
    this.slots = slots;
    this.workers = workers;
    this.mostNotFinite = mostNotFinite;
  }

  /** Decides what an event means. */
  public Decision next(State state, Event event) {
    if (state.phase() == Phase.ENDED) {
      return discard(state, event, "the run has ended");
    }
    return switch (event) {
      case Joined joined -> joined(state, joined);
      case Loaded loaded -> loaded(state, loaded);
      case Prepared prepared -> prepared(state, prepared);
      case Offered offered -> offered(state, offered);
      case Saved saved -> saved(state, saved);
      case Lost lost -> lost(state, lost);
      case StopAsked stop -> stop(state, stop);
      case Broken broken -> fail(state, broken.sentence());
    };
  }

  private Decision joined(State state, Joined event) {
    WorkerId worker = event.worker();
    if (state.joined().contains(worker)) {
      return discard(state, event, "joined already");
    }
    if (state.joined().size() == workers) {
      return new Decision(
          state, List.of(new Dismiss(worker, "the run has its " + workers + " workers")));
    }
    return new Decision(state.withJoined(worker), List.of(new Welcome(worker)));
  }

  private Decision loaded(State state, Loaded event) {
    if (!event.term().equals(term)) {
      return discard(state, event, "term " + event.term() + ", not " + term);
    }
    if (!state.joined().contains(event.worker())) {
      return discard(state, event, "never joined");
    }
    if (state.loaded().contains(event.worker())) {
      return discard(state, event, "loaded already");
    }
    State next = state.withLoaded(event.worker());
    if (next.loaded().size() < workers) {
      return new Decision(next, List.of());
    }
    if (next.stopAsked()) {
      return finish(next);
    }
    Generation generation = next.generation().next();
    List<Share> shares = Share.even(next.loaded(), slots);
    return new Decision(
        next.withGeneration(generation, shares),
        List.of(new Assign(generation, next.step(), shares)));
  }

  private Decision prepared(State state, Prepared event) {
    StepResult result = event.result();
    if (!event.term().equals(term) || !event.generation().equals(state.generation())) {
      return discard(
          state, event, "of term " + event.term() + ", generation " + event.generation());
    }
    if (state.phase() != Phase.STEPPING || result.step() != state.step()) {
      return discard(state, event, "step " + result.step() + " is not open");
    }
    if (state.shares().stream().noneMatch(share -> share.worker().equals(event.worker()))) {
      return discard(state, event, "not a member");
    }
    if (state.prepared().containsKey(event.worker())) {
      return discard(state, event, "prepared already");
    }
    State next = state.withPrepared(event.worker(), result);
    return next.prepared().size() < state.shares().size()
        ? new Decision(next, List.of())
        : commit(next);
  }

  private Decision commit(State state) {
    WorkerId first = state.shares().get(0).worker();
    StepResult agreed = state.prepared().get(first);
    for (Map.Entry<WorkerId, StepResult> entry : state.prepared().entrySet()) {
      if (entry.getValue().checksum() != agreed.checksum()) {
        return fail(
            state,
            "step %d: %s and %s hold different gradients (checksums %016x and %016x); one of these machines computes wrongly"
                .formatted(
                    state.step(),
                    first,
                    entry.getKey(),
                    agreed.checksum(),
                    entry.getValue().checksum()));
      }
    }
    List<Effect> effects = new ArrayList<>();
    double loss = loss(state);
    NotFinite notFinite = state.notFinite().after(loss, agreed);
    effects.add(
        new Commit(
            state.generation(),
            state.step(),
            loss,
            agreed.gradientNorm(),
            agreed.applied(),
            agreed.scalars(),
            notFinite.inARow()));
    State next = state.withCommitted(notFinite);
    if (next.step() == steps || next.stopAsked() || notFinite.reaches(mostNotFinite)) {
      next = next.withPhase(Phase.SAVING);
      effects.add(new AskState(first, next.step()));
    }
    return new Decision(next, List.copyOf(effects));
  }

  // Slot by slot in ascending order, so that the shown loss does not depend on the members either.
  private static double loss(State state) {
    double loss = 0;
    for (Share share : state.shares()) {
      for (double slot : state.prepared().get(share.worker()).slotLosses()) {
        loss += slot;
      }
    }
    return loss;
  }

  private Decision offered(State state, Offered event) {
    if (state.phase() != Phase.SAVING
        || !event.term().equals(term)
        || event.steps() != state.step()) {
      return discard(state, event, "nobody asked for the state after " + event.steps() + " steps");
    }
    return new Decision(state, List.of(new Save(event.worker(), event.steps())));
  }

  private Decision saved(State state, Saved event) {
    if (state.phase() != Phase.SAVING) {
      return discard(state, event, "nothing was being saved");
    }
    return state.notFinite().reaches(mostNotFinite)
        ? fail(state, state.notFinite().sentence(state.step() - 1), true)
        : finish(state);
  }

  private Decision finish(State state) {
    List<Effect> effects = new ArrayList<>();
    for (WorkerId worker : state.joined()) {
      effects.add(new Dismiss(worker, "the run has ended"));
    }
    effects.add(new Finish(state.step(), state.step() < steps));
    return new Decision(state.withPhase(Phase.ENDED), List.copyOf(effects));
  }

  private Decision lost(State state, Lost event) {
    if (!state.joined().contains(event.worker())) {
      return discard(state, event, "not of this run");
    }
    return fail(state, "worker " + event.worker() + " " + event.why());
  }

  private Decision stop(State state, StopAsked event) {
    if (state.stopAsked()) {
      return discard(state, event, "asked already");
    }
    State next = state.withStopAsked();
    return state.phase() == Phase.ASSEMBLING ? finish(next) : new Decision(next, List.of());
  }

  // A run that was failing anyway still says why it began to.
  private Decision fail(State state, String sentence) {
    return state.notFinite().reaches(mostNotFinite)
        ? fail(
            state,
            "%s; the model could not be saved: %s"
                .formatted(state.notFinite().sentence(state.step() - 1), sentence),
            true)
        : fail(state, sentence, false);
  }

  private Decision fail(State state, String sentence, boolean namesSamples) {
    List<Effect> effects = new ArrayList<>();
    for (WorkerId worker : state.joined()) {
      effects.add(new Dismiss(worker, "the run has failed"));
    }
    effects.add(new Fail(sentence, namesSamples));
    return new Decision(state.withPhase(Phase.ENDED), List.copyOf(effects));
  }

  private static Decision discard(State state, Event event, String why) {
    return new Decision(state, List.of(new Discard(event, why)));
  }
}
