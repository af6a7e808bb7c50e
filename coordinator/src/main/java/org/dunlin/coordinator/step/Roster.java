package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.dunlin.coordinator.step.Effect.Assign;
import org.dunlin.coordinator.step.Effect.Dismiss;
import org.dunlin.coordinator.step.Effect.Miss;
import org.dunlin.coordinator.step.Effect.Note;
import org.dunlin.coordinator.step.Effect.Park;
import org.dunlin.coordinator.step.Effect.Refuse;
import org.dunlin.coordinator.step.Effect.Teach;
import org.dunlin.coordinator.step.Effect.Welcome;
import org.dunlin.coordinator.step.Event.CaughtUp;
import org.dunlin.coordinator.step.Event.Joined;
import org.dunlin.coordinator.step.Event.LeaveAsked;
import org.dunlin.coordinator.step.Event.LessonLost;
import org.dunlin.coordinator.step.Event.Loaded;
import org.dunlin.coordinator.step.Event.Lost;
import org.dunlin.coordinator.step.State.Phase;
import org.dunlin.coordinator.step.StepProtocol.Decision;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Recompute;

/**
 * Who takes part in a run. Workers come: before the first step they are welcomed with its first
 * state, later they learn from members and take part from a step on. Workers go: in order, once
 * others have their slots, or lost. Each change of members is a new generation.
 */
final class Roster {
  /** Lessons of one worker in a row that break, though its teachers live. */
  private static final int MOST_LESSONS = 8;

  private final Term term;
  private final int slots;
  private final Admission admission;
  private final Ending ending;
  private final Checkpoints checkpoints;
  private final Measuring measuring;
  private final AuditPlan audits;

  Roster(
      Term term,
      int slots,
      Admission admission,
      Ending ending,
      Checkpoints checkpoints,
      Measuring measuring,
      AuditPlan audits) {
    this.term = term;
    this.slots = slots;
    this.admission = admission;
    this.ending = ending;
    this.checkpoints = checkpoints;
    this.measuring = measuring;
    this.audits = audits;
  }

  Decision joined(State state, Joined event) {
    WorkerId worker = event.worker();
    if (state.joined().contains(worker) || state.spares().contains(worker)) {
      return Ending.discard(state, event, "joined already");
    }
    return switch (state.phase()) {
      case ASSEMBLING, REASSEMBLING ->
          state.joined().size() < admission.workers()
              ? fill(state.withSpare(worker), List.of())
              : park(
                  state,
                  worker,
                  "the run has the %d workers that it waits for; it joins them after the first step"
                      .formatted(admission.workers()));
      case STEPPING ->
          state.teachers().isEmpty()
              ? park(state, worker, "no worker can teach it now")
              : teach(state, worker, 1, List.of(arrival(state, worker)));
      case GATHERING -> park(state, worker, "the run waits for its members");
      case FINDING -> park(state, worker, "the run looks for its newest checkpoint");
      case SAVING, ENDED -> park(state, worker, "the run is ending");
    };
  }

  private static Note arrival(State state, WorkerId worker) {
    return new Note(
        "worker %s is there; it learns the state after %d steps from %d other%s"
            .formatted(
                worker,
                state.step(),
                state.teachers().size(),
                state.teachers().size() == 1 ? "" : "s"));
  }

  private static Decision park(State state, WorkerId worker, String reason) {
    return new Decision(
        state.withSpare(worker),
        List.of(
            new Park(worker, reason),
            new Note("worker %s waits as a spare: %s".formatted(worker, reason))));
  }

  /** Welcomes spares while places are free. */
  Decision fill(State state, List<Effect> before) {
    List<Effect> effects = new ArrayList<>(before);
    State next = state;
    while (!next.spares().isEmpty() && next.joined().size() < admission.workers()) {
      WorkerId worker = next.spares().get(0);
      next = next.withoutSpare(worker).withJoined(worker);
      effects.add(new Welcome(worker));
      if (admission.comers() == Admission.Comers.ANY) {
        effects.add(
            new Note(
                "worker %s is there: %d of %d"
                    .formatted(worker, next.joined().size(), admission.workers())));
      }
    }
    return new Decision(next, List.copyOf(effects));
  }

  Decision loaded(State state, Loaded event) {
    if (!event.term().equals(term)) {
      return Ending.discard(state, event, "term " + event.term() + ", not " + term);
    }
    if (!state.joined().contains(event.worker())) {
      return Ending.discard(state, event, "never joined");
    }
    if (state.loaded().contains(event.worker())) {
      return Ending.discard(state, event, "loaded already");
    }
    if (state.lessons().containsKey(event.worker())) {
      return Ending.discard(state, event, "it learns");
    }
    boolean differs = differs(state, event.probe());
    if (differs && !admission.differentKernels()) {
      return refuseKernels(state, event.worker(), event.probe());
    }
    List<Effect> notes = new ArrayList<>();
    if (differs) {
      notes.add(otherBits(event.worker()));
    }
    State next = state.withLoaded(event.worker(), event.probe());
    return beginIfReady(next, notes);
  }

  // A run that begins waits for all its workers; one that goes on, for those that are there.
  private Decision beginIfReady(State state, List<Effect> before) {
    boolean goesOn = state.phase() == Phase.REASSEMBLING;
    Decision filled = goesOn ? fill(state, before) : new Decision(state, before);
    State next = filled.next();
    int awaited = goesOn ? next.joined().size() : admission.workers();
    if (next.loaded().isEmpty() || next.loaded().size() < awaited) {
      return filled;
    }
    if (ending.isDone(next)) { // its last checkpoint is of its last step
      List<Effect> effects = new ArrayList<>(filled.effects());
      return ending.askOne(measuring.goOn(next, checkpoints, effects), effects);
    }
    List<Effect> notes = new ArrayList<>(filled.effects());
    int idle = next.loaded().size() - slots;
    if (idle > 0) {
      notes.add(
          new Note(
              "%d of %d workers have no slot (slots: %d); they stand by with the run's state and take over when another is lost"
                  .formatted(idle, next.loaded().size(), slots)));
    }
    return assign(next, notes);
  }

  private static boolean differs(State state, String probe) {
    return state.probe().isPresent() && !state.probe().get().equals(probe);
  }

  private static Note otherBits(WorkerId worker) {
    return new Note(
        "worker %s computes other bits than the first one, as cluster.allow-different-kernels allows: this run's weights depend on who computed what"
            .formatted(worker));
  }

  private Decision refuseKernels(State state, WorkerId worker, String probe) {
    String sentence =
        "worker %s computes other bits: its kernels' probe is %s (expected: %s, the first worker's); give it the same processor and MKL_CBWR as the others, or set cluster.allow-different-kernels = true and lose equal bits"
            .formatted(worker, start(probe), start(state.probe().orElseThrow()));
    State next = state.without(worker);
    List<Effect> effects = List.of(new Refuse(worker, sentence), new Note(sentence));
    if (state.phase() != Phase.ASSEMBLING) {
      return state.phase() == Phase.REASSEMBLING
          ? beginIfReady(next, effects)
          : new Decision(next, effects);
    }
    return admission.canFill(next) ? fill(next, effects) : ending.fail(state, sentence);
  }

  private static String start(String sha256) {
    return sha256.substring(0, Math.min(12, sha256.length()));
  }

  /**
   * A new generation of all that hold the state or follow it; it begins with the lowest uncommitted
   * step. Those that leave have no part in it, unless others still need them.
   */
  Decision assign(State state, List<Effect> before) {
    List<Effect> effects = new ArrayList<>(before);
    State next = release(state, effects);
    announce(next, effects);
    SortedSet<WorkerId> members = next.able();
    List<Share> shares = Share.balanced(members, slots, next.speeds());
    Generation generation = next.generation().next();
    next = next.withGeneration(generation, shares);
    // What counts for an audit must be its owner's, whom claims of kept work would change.
    Recompute recompute = audits.audits(next.step()) ? Recompute.ALL : Recompute.MISSING;
    effects.add(new Assign(generation, next.step(), shares, recompute));
    next = measuring.goOn(next, checkpoints, effects);
    for (WorkerId spare : state.spares()) {
      if (!next.teachers().isEmpty()) {
        Decision taught = teach(next.withoutSpare(spare), spare, 1, List.of());
        next = taught.next();
        effects.addAll(taught.effects());
      }
    }
    return new Decision(next, List.copyOf(effects));
  }

  private static void announce(State state, List<Effect> effects) {
    for (WorkerId worker : state.able()) {
      if (!state.loaded().contains(worker)) {
        effects.add(
            new Note(
                "worker %s takes part from step %d on; the run has %d workers"
                    .formatted(worker, state.step() + 1, state.able().size())));
      }
    }
  }

  /** Whether somebody may leave now: others hold the state, and nobody follows it alone. */
  boolean canRelease(State state) {
    return !released(state).isEmpty();
  }

  private static SortedSet<WorkerId> released(State state) {
    SortedSet<WorkerId> released = new TreeSet<>(state.leaving());
    boolean othersTeach =
        state.teachers().stream().anyMatch(worker -> !state.leaving().contains(worker));
    if (!othersTeach) {
      return new TreeSet<>();
    }
    // A learner that is caught up takes the last gradients from its teachers.
    state.lessons().values().stream()
        .filter(Lesson::isCaughtUp)
        .forEach(lesson -> released.removeAll(lesson.teachers()));
    return released;
  }

  private State release(State state, List<Effect> effects) {
    State next = state;
    for (WorkerId worker : released(state)) {
      next = checkpoints.without(next.without(worker), worker, effects);
      effects.add(
          new Note(
              "worker %s leaves after %d steps, as it was asked to; the run goes on with %d"
                  .formatted(worker, next.step(), next.able().size())));
      effects.add(new Dismiss(worker, "it was asked to leave, and the others have its slots"));
    }
    for (WorkerId worker : released(state)) {
      Decision taught = teachAnew(next, worker);
      next = taught.next();
      effects.addAll(taught.effects());
    }
    return next;
  }

  private Decision teach(State state, WorkerId learner, int attempt, List<Effect> before) {
    List<WorkerId> teachers =
        state.teachers().stream().filter(worker -> !state.leaving().contains(worker)).toList();
    List<WorkerId> all = teachers.isEmpty() ? state.teachers() : teachers;
    State next = state.withLearner(learner, attempt, all);
    List<Effect> effects = new ArrayList<>(before);
    effects.add(new Teach(learner, next.lessonsBegun(), next.generation(), all));
    return new Decision(next, List.copyOf(effects));
  }

  /** Whoever learnt from a worker that is no more learns from others, from the beginning. */
  private Decision teachAnew(State state, WorkerId lost) {
    State next = state;
    List<Effect> effects = new ArrayList<>();
    for (Map.Entry<WorkerId, Lesson> each : state.lessons().entrySet()) {
      boolean learns = !state.loaded().contains(each.getKey());
      if (!learns || !each.getValue().teachers().contains(lost)) {
        continue;
      }
      if (next.teachers().isEmpty()) { // later then, though it may have been as good as there
        next = next.without(each.getKey()).withSpare(each.getKey());
      } else {
        Decision taught = teach(next, each.getKey(), each.getValue().attempt(), List.of());
        next = taught.next();
        effects.addAll(taught.effects());
      }
    }
    return new Decision(next, effects);
  }

  Decision caughtUp(State state, CaughtUp event) {
    Lesson lesson = state.lessons().get(event.worker());
    if (!event.term().equals(term)
        || lesson == null
        || lesson.number() != event.lesson()
        || lesson.isCaughtUp()) {
      return Ending.discard(state, event, "lesson " + event.lesson() + " is over");
    }
    List<Effect> effects = new ArrayList<>();
    if (differs(state, event.probe())) {
      if (!admission.differentKernels()) {
        return refuseKernels(state, event.worker(), event.probe());
      }
      effects.add(otherBits(event.worker()));
    }
    return new Decision(
        state.withLesson(event.worker(), lesson.caughtUp(event.probe())), List.copyOf(effects));
  }

  Decision lessonLost(State state, LessonLost event) {
    Lesson lesson = state.lessons().get(event.worker());
    if (!event.term().equals(term)
        || lesson == null
        || lesson.number() != event.lesson()
        || state.phase() != Phase.STEPPING) {
      return Ending.discard(state, event, "lesson " + event.lesson() + " is over");
    }
    String sentence =
        "worker %s could not learn the run's state: %s".formatted(event.worker(), event.why());
    if (state.teachers().isEmpty()) {
      return rewind(state, List.of(), sentence);
    }
    Decision next =
        lesson.attempt() == MOST_LESSONS
            ? new Decision(
                state.without(event.worker()),
                List.of(
                    new Refuse(
                        event.worker(),
                        "it did not get the run's state in %d lessons: %s"
                            .formatted(MOST_LESSONS, event.why())),
                    new Note(sentence)))
            : teach(state, event.worker(), lesson.attempt() + 1, List.of());
    return waitsFor(state, event.worker()) ? assign(next.next(), next.effects()) : next;
  }

  /** Whether the step under way cannot end without a worker. */
  private static boolean waitsFor(State state, WorkerId worker) {
    return state.phase() == Phase.STEPPING
        && state.isMember(worker)
        && state.awaited().isEmpty()
        && !state.committing();
  }

  Decision leave(State state, LeaveAsked event) {
    WorkerId worker = event.worker();
    if (state.spares().contains(worker)) {
      return new Decision(
          state.withoutSpare(worker), List.of(new Dismiss(worker, "it was asked to leave")));
    }
    if (!state.joined().contains(worker) || state.leaving().contains(worker)) {
      return Ending.discard(state, event, "it is leaving, or not of this run");
    }
    if (state.phase() == Phase.ASSEMBLING) {
      return lost(state, new Lost(worker, "was asked to leave", true));
    }
    if (state.phase() == Phase.GATHERING) {
      return new Decision(state.withLeaving(worker), List.of());
    }
    if (state.phase() == Phase.REASSEMBLING) {
      return beginIfReady(
          state.without(worker), List.of(new Dismiss(worker, "it was asked to leave")));
    }
    if (!state.loaded().contains(worker)) {
      return new Decision(
          state.without(worker),
          List.of(
              new Note("worker %s leaves before it took part".formatted(worker)),
              new Dismiss(worker, "it was asked to leave")));
    }
    if (state.phase() == Phase.SAVING) {
      return Ending.discard(state, event, "the run is ending");
    }
    return new Decision(
        state.withLeaving(worker),
        List.of(new Note("worker %s leaves after the step under way".formatted(worker))));
  }

  // A step that is being made durable counts: the run must know of it when it goes back.
  private Decision rewind(State state, List<Effect> effects, String why) {
    return state.committing()
        ? new Decision(state, List.copyOf(effects))
        : checkpoints.rewind(state, effects, why);
  }

  Decision lost(State state, Lost event) {
    return lost(state, event, "it was taken for dead, and the run goes on without it");
  }

  /** A member that computes wrongly has no part in the run any more. */
  Decision fence(Decision before, WorkerId worker, String why) {
    return lost(before.next(), new Lost(worker, why), "it " + why).after(before.effects());
  }

  private Decision lost(State state, Lost event, String reason) {
    WorkerId worker = event.worker();
    String sentence = "worker " + worker + " " + event.why();
    if (state.spares().contains(worker)) {
      return new Decision(
          state.withoutSpare(worker), List.of(new Note(sentence + "; it was a spare")));
    }
    if (!state.joined().contains(worker)) {
      return Ending.discard(state, event, "not of this run");
    }
    State next = state.without(worker);
    if (state.phase() == Phase.ASSEMBLING) {
      if (!admission.canFill(next, event)) {
        return ending.fail(next, sentence);
      }
      Effect told =
          admission.canFill(next)
              ? new Note(sentence + "; the run waits for another worker")
              : new Miss(worker, event.why(), next.joined().size());
      return fill(next, List.of(new Refuse(worker, "the run begins without it"), told));
    }
    // Whoever only seemed lost must not linger: it is told, and its launcher may start it anew.
    Refuse refuse = new Refuse(worker, reason);
    if (state.phase() == Phase.GATHERING) {
      return new Decision(next, List.of(refuse, new Note(sentence)));
    }
    if (state.phase() == Phase.REASSEMBLING) {
      return beginIfReady(next, List.of(refuse, new Note(sentence)));
    }
    if (!state.loaded().contains(worker)) {
      return new Decision(
          next, List.of(refuse, new Note(sentence + "; it had not taken part yet")));
    }
    List<Effect> effects = new ArrayList<>();
    effects.add(refuse);
    effects.add(new Miss(worker, event.why(), next.able().size()));
    next = checkpoints.without(next, worker, effects);
    Decision taught = teachAnew(next, worker);
    next = taught.next();
    boolean follows = !state.committing() && state.phase() != Phase.SAVING;
    if ((follows ? next.able() : next.loaded()).isEmpty()) {
      if (state.modelSaved()) { // a checkpoint that is missing nobody needs now
        return ending.waits(next)
            ? new Decision(next, List.copyOf(effects))
            : ending.end(next, effects);
      }
      return rewind(next, effects, sentence);
    }
    if (state.phase() == Phase.SAVING) {
      return state.source().equals(Optional.of(worker))
          ? ending.askAnother(next, worker, effects, sentence)
          : new Decision(next, List.copyOf(effects));
    }
    effects.addAll(taught.effects());
    return waitsFor(state, worker)
        ? assign(next, effects)
        : new Decision(next, List.copyOf(effects));
  }
}
