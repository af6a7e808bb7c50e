package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.dunlin.coordinator.step.Effect.AskState;
import org.dunlin.coordinator.step.Effect.Assign;
import org.dunlin.coordinator.step.Effect.Commit;
import org.dunlin.coordinator.step.Effect.Discard;
import org.dunlin.coordinator.step.Effect.Dismiss;
import org.dunlin.coordinator.step.Effect.Fail;
import org.dunlin.coordinator.step.Effect.Finish;
import org.dunlin.coordinator.step.Effect.Miss;
import org.dunlin.coordinator.step.Effect.Note;
import org.dunlin.coordinator.step.Effect.Park;
import org.dunlin.coordinator.step.Effect.Refuse;
import org.dunlin.coordinator.step.Effect.Save;
import org.dunlin.coordinator.step.Effect.Wait;
import org.dunlin.coordinator.step.Effect.Welcome;
import org.dunlin.coordinator.step.Effect.Write;
import org.dunlin.coordinator.step.Event.Broken;
import org.dunlin.coordinator.step.Event.Joined;
import org.dunlin.coordinator.step.Event.Loaded;
import org.dunlin.coordinator.step.Event.Lost;
import org.dunlin.coordinator.step.Event.MemoryShort;
import org.dunlin.coordinator.step.Event.Offered;
import org.dunlin.coordinator.step.Event.Parted;
import org.dunlin.coordinator.step.Event.Prepared;
import org.dunlin.coordinator.step.Event.Recorded;
import org.dunlin.coordinator.step.Event.SaveFailed;
import org.dunlin.coordinator.step.Event.Saved;
import org.dunlin.coordinator.step.Event.StopAsked;
import org.dunlin.coordinator.step.Event.Waited;
import org.dunlin.coordinator.step.State.Phase;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.MicroBatchLimit;

/**
 * The coordinator's side of a run, one event at a time. Pure: no clock, no actor, no randomness.
 *
 * <pre>
 *   ASSEMBLING --all workers loaded--> STEPPING --last step committed, or stop--> SAVING --> ENDED
 *                                               --too many steps not finite---> SAVING --> failed
 * </pre>
 *
 * A step is committed when every member of the generation is prepared for it with the same
 * checksum, and only then does the next one begin. Slots move to other members only then, in a new
 * generation, and only when much time is to be gained. When a member is lost, the others begin a
 * new generation with the lowest uncommitted step; when one is short of memory, all do, with
 * smaller micro-batches, once that is on record. An event that is late, repeated or of another life
 * becomes a {@link Discard}, never an exception. A worker that is not needed waits as a spare. Not
 * yet: a spare that takes part in a run under way.
 */
public final class StepProtocol {
  /**
   * The next state, and what has to be done now.
   *
   * @param next state
   * @param effects to be carried out front to back
   */
  public record Decision(State next, List<Effect> effects) {}

  /** Attempts in a row that come to nothing although all live; each takes a lease or longer. */
  private static final int MOST_RETRIES = 8;

  private final Term term;
  private final long steps;
  private final int slots;
  private final Admission admission;
  private final long mostNotFinite;
  private final boolean moves;

  /**
   * @param term of this coordinator
   * @param steps of the whole run
   * @param slots of every global batch
   * @param admission who may take part
   * @param mostNotFinite steps in a row without a finite loss and gradient after which the run
   *     fails, its parameters saved; 0 is never reached
   */
  public StepProtocol(Term term, long steps, int slots, Admission admission, long mostNotFinite) {
    this(term, steps, slots, admission, mostNotFinite, true);
  }

  /**
   * @param moves whether slots move to faster members although nobody is lost
   */
  public StepProtocol(
      Term term, long steps, int slots, Admission admission, long mostNotFinite, boolean moves) {
    this.moves = moves;
    this.term = term;
    this.steps = steps;
    this.slots = slots;
    this.admission = admission;
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
      case MemoryShort tooSmall -> memoryShort(state, tooSmall);
      case Recorded recorded -> recorded(state, recorded);
      case Parted parted -> parted(state, parted);
      case Waited waited -> waited(state, waited);
      case Offered offered -> offered(state, offered);
      case Saved saved -> saved(state, saved);
      case SaveFailed failed -> saveFailed(state, failed);
      case Lost lost -> lost(state, lost);
      case StopAsked stop -> stop(state, stop);
      case Broken broken -> fail(state, broken.sentence());
    };
  }

  private Decision joined(State state, Joined event) {
    WorkerId worker = event.worker();
    if (state.joined().contains(worker) || state.spares().contains(worker)) {
      return discard(state, event, "joined already");
    }
    State next = state.withSpare(worker);
    if (state.phase() == Phase.ASSEMBLING && state.joined().size() < admission.workers()) {
      return fill(next, List.of());
    }
    String reason =
        state.phase() == Phase.ASSEMBLING
            ? "the run has the %d workers that it waits for".formatted(admission.workers())
            : "the run is under way with %d workers".formatted(state.joined().size());
    return new Decision(next, List.of(new Park(worker, reason), spare(worker, reason)));
  }

  private static Note spare(WorkerId worker, String reason) {
    return new Note("worker %s waits as a spare: %s".formatted(worker, reason));
  }

  /** Welcomes spares while places are free. */
  private Decision fill(State state, List<Effect> before) {
    List<Effect> effects = new ArrayList<>(before);
    State next = state;
    while (!next.spares().isEmpty() && next.joined().size() < admission.workers()) {
      WorkerId worker = next.spares().get(0);
      next = next.withoutSpare(worker).withJoined(worker);
      effects.add(new Welcome(worker));
      if (admission.open()) {
        effects.add(
            new Note(
                "worker %s is there: %d of %d"
                    .formatted(worker, next.joined().size(), admission.workers())));
      }
    }
    return new Decision(next, List.copyOf(effects));
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
    boolean differs = state.probe().isPresent() && !state.probe().get().equals(event.probe());
    if (differs && !admission.differentKernels()) {
      return refuseKernels(state, event);
    }
    List<Effect> notes = new ArrayList<>();
    if (differs) {
      notes.add(
          new Note(
              "worker %s computes other bits than the first one, as cluster.allow-different-kernels allows: this run's weights depend on who computed what"
                  .formatted(event.worker())));
    }
    State next = state.withLoaded(event.worker(), event.probe());
    if (next.loaded().size() < admission.workers()) {
      return new Decision(next, List.copyOf(notes));
    }
    int idle = next.loaded().size() - slots;
    if (idle > 0) {
      notes.add(
          new Note(
              "%d of %d workers have no slot (slots: %d); they stand by with the run's state and take over when another is lost"
                  .formatted(idle, next.loaded().size(), slots)));
    }
    return assign(next, notes);
  }

  private Decision refuseKernels(State state, Loaded event) {
    String sentence =
        "worker %s computes other bits: its kernels' probe is %s (expected: %s, the first worker's); give it the same processor and MKL_CBWR as the others, or set cluster.allow-different-kernels = true and lose equal bits"
            .formatted(event.worker(), start(event.probe()), start(state.probe().orElseThrow()));
    State next = state.without(event.worker());
    return admission.canFill(next)
        ? fill(next, List.of(new Refuse(event.worker(), sentence), new Note(sentence)))
        : fail(state, sentence);
  }

  private static String start(String sha256) {
    return sha256.substring(0, Math.min(12, sha256.length()));
  }

  /** A new generation of all that hold the state; it begins with the lowest uncommitted step. */
  private Decision assign(State state, List<Effect> before) {
    List<Share> shares = Share.balanced(state.loaded(), slots, state.speeds());
    Generation generation = state.generation().next();
    List<Effect> effects = new ArrayList<>(before);
    effects.add(new Assign(generation, state.step(), shares));
    return new Decision(state.withGeneration(generation, shares), List.copyOf(effects));
  }

  private Decision prepared(State state, Prepared event) {
    StepResult result = event.result();
    if (!isOpen(state, event.term(), event.generation(), result.step())) {
      return discard(state, event, "step " + result.step() + " is not open in that generation");
    }
    if (!state.isMember(event.worker())) {
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

  private boolean isOpen(State state, Term of, Generation generation, long step) {
    return of.equals(term)
        && generation.equals(state.generation())
        && state.phase() == Phase.STEPPING
        && step == state.step();
  }

  private Decision memoryShort(State state, MemoryShort event) {
    if (!isOpen(state, event.term(), event.generation(), event.step())
        || !state.isMember(event.worker())) {
      return discard(state, event, "step " + event.step() + " is not open in that generation");
    }
    if (state.awaited().isPresent()) {
      return discard(state, event, "micro-batches are being made smaller already");
    }
    if (event.rows() < 2) {
      return fail(
          state,
          "worker %s has too little memory for a single text of %d tokens; set gradient-checkpointing = true, lower data.passage-max-tokens, or take fewer compute-threads"
              .formatted(event.worker(), event.tokens()));
    }
    CutRecord cut =
        new CutRecord(state.step(), MicroBatchLimit.halving(event.rows(), event.tokens()));
    return new Decision(state.withAwaited(cut), List.of(new Write(cut)));
  }

  private Decision parted(State state, Parted event) {
    return isOpen(state, event.term(), event.generation(), state.step())
        ? new Decision(state, List.of(new Wait(event.generation())))
        : discard(state, event, "not of this generation");
  }

  // All are alive, so only a connection was lost: they meet again, but not for ever.
  private Decision waited(State state, Waited event) {
    if (!isOpen(state, term, event.generation(), state.step()) || state.awaited().isPresent()) {
      return discard(state, event, "not of this generation");
    }
    if (state.retries() == MOST_RETRIES) {
      return fail(
          state,
          "step %d: the workers reach the coordinator but not each other, after %d new attempts; let every host reach every other one's ports"
              .formatted(state.step(), MOST_RETRIES));
    }
    return assign(state.withRetry(), List.of());
  }

  private Decision recorded(State state, Recorded event) {
    if (!state.awaited().equals(Optional.of(event.cut()))) {
      return discard(state, event, "that record is not awaited");
    }
    return state.loaded().isEmpty() ? fail(state, "no worker is left") : assign(state, List.of());
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
      next = next.withSource(first);
      effects.add(new AskState(first, next.step()));
      return new Decision(next, List.copyOf(effects));
    }
    Speeds speeds = next.speeds();
    return moves
            && speeds.areSettled()
            && speeds.callFor(Share.leastMs(next.loaded(), slots, speeds), next.shares())
        ? assign(next, effects)
        : new Decision(next, List.copyOf(effects));
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
    if (!state.source().equals(Optional.of(event.worker()))
        || !event.term().equals(term)
        || event.steps() != state.step()) {
      return discard(state, event, "nobody asked for the state after " + event.steps() + " steps");
    }
    return new Decision(state.withoutSource(), List.of(new Save(event.worker(), event.steps())));
  }

  private Decision saveFailed(State state, SaveFailed event) {
    if (state.phase() != Phase.SAVING || state.source().isPresent()) {
      return discard(state, event, "nothing was being saved");
    }
    return state.retries() == MOST_RETRIES
        ? fail(
            state,
            "the model could not be fetched after %d new attempts; worker %s: %s"
                .formatted(MOST_RETRIES, event.worker(), event.sentence()))
        : askAnother(state.withRetry(), event.worker(), List.of(), event.sentence());
  }

  /** Asks a member for the parameters: any but one, that one if there is no other. */
  private Decision askAnother(State state, WorkerId but, List<Effect> before, String why) {
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
    everybody(state).forEach(worker -> effects.add(new Dismiss(worker, "the run has ended")));
    effects.add(new Finish(state.step(), state.step() < steps));
    return new Decision(state.withPhase(Phase.ENDED), List.copyOf(effects));
  }

  private Decision lost(State state, Lost event) {
    WorkerId worker = event.worker();
    String sentence = "worker " + worker + " " + event.why();
    if (state.spares().contains(worker)) {
      return new Decision(
          state.withoutSpare(worker), List.of(new Note(sentence + "; it was a spare")));
    }
    if (!state.joined().contains(worker)) {
      return discard(state, event, "not of this run");
    }
    State next = state.without(worker);
    if (state.phase() == Phase.ASSEMBLING) {
      return admission.canFill(next)
          ? fill(
              next,
              List.of(
                  new Refuse(worker, "the run begins without it"),
                  new Note(sentence + "; the run waits for another worker")))
          : fail(next, sentence);
    }
    if (next.loaded().isEmpty()) {
      return fail(next, sentence);
    }
    // Whoever only seemed lost must not linger: it is told, and its launcher may start it anew.
    List<Effect> effects =
        List.of(
            new Refuse(worker, "it was taken for dead, and the run goes on without it"),
            new Miss(worker, event.why(), next.loaded().size()));
    if (state.phase() == Phase.SAVING) {
      return state.source().equals(Optional.of(worker))
          ? askAnother(next, worker, effects, sentence)
          : new Decision(next, effects);
    }
    return state.isMember(worker) && state.awaited().isEmpty()
        ? assign(next, effects)
        : new Decision(next, effects);
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
    everybody(state).forEach(worker -> effects.add(new Dismiss(worker, "the run has failed")));
    effects.add(new Fail(sentence, namesSamples));
    return new Decision(state.withPhase(Phase.ENDED), List.copyOf(effects));
  }

  private static Stream<WorkerId> everybody(State state) {
    return Stream.concat(state.joined().stream(), state.spares().stream());
  }

  private static Decision discard(State state, Event event, String why) {
    return new Decision(state, List.of(new Discard(event, why)));
  }
}
