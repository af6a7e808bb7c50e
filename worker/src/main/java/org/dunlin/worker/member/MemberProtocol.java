package org.dunlin.worker.member;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.worker.member.MemberEffect.Apply;
import org.dunlin.worker.member.MemberEffect.BreakOff;
import org.dunlin.worker.member.MemberEffect.Compute;
import org.dunlin.worker.member.MemberEffect.Discard;
import org.dunlin.worker.member.MemberEffect.EndStudy;
import org.dunlin.worker.member.MemberEffect.Load;
import org.dunlin.worker.member.MemberEffect.Meet;
import org.dunlin.worker.member.MemberEffect.Offer;
import org.dunlin.worker.member.MemberEffect.Snapshot;
import org.dunlin.worker.member.MemberEffect.StandBy;
import org.dunlin.worker.member.MemberEffect.Stop;
import org.dunlin.worker.member.MemberEffect.Study;
import org.dunlin.worker.member.MemberEffect.Teach;
import org.dunlin.worker.member.MemberEffect.TellBroken;
import org.dunlin.worker.member.MemberEffect.TellCaughtUp;
import org.dunlin.worker.member.MemberEffect.TellJoin;
import org.dunlin.worker.member.MemberEffect.TellLeaving;
import org.dunlin.worker.member.MemberEffect.TellLessonLost;
import org.dunlin.worker.member.MemberEffect.TellLoaded;
import org.dunlin.worker.member.MemberEffect.TellMemoryShort;
import org.dunlin.worker.member.MemberEffect.TellPartLost;
import org.dunlin.worker.member.MemberEffect.TellParted;
import org.dunlin.worker.member.MemberEffect.TellPrepared;
import org.dunlin.worker.member.MemberEffect.TellReturn;
import org.dunlin.worker.member.MemberEvent.Applied;
import org.dunlin.worker.member.MemberEvent.Assigned;
import org.dunlin.worker.member.MemberEvent.CheckpointAsked;
import org.dunlin.worker.member.MemberEvent.Committed;
import org.dunlin.worker.member.MemberEvent.Computed;
import org.dunlin.worker.member.MemberEvent.CoordinatorChanged;
import org.dunlin.worker.member.MemberEvent.Dismissed;
import org.dunlin.worker.member.MemberEvent.Failed;
import org.dunlin.worker.member.MemberEvent.Fed;
import org.dunlin.worker.member.MemberEvent.Followed;
import org.dunlin.worker.member.MemberEvent.LearnAsked;
import org.dunlin.worker.member.MemberEvent.LeaveAsked;
import org.dunlin.worker.member.MemberEvent.LessonBroke;
import org.dunlin.worker.member.MemberEvent.MemoryShort;
import org.dunlin.worker.member.MemberEvent.Met;
import org.dunlin.worker.member.MemberEvent.Parked;
import org.dunlin.worker.member.MemberEvent.Parted;
import org.dunlin.worker.member.MemberEvent.Recognized;
import org.dunlin.worker.member.MemberEvent.StateAsked;
import org.dunlin.worker.member.MemberEvent.StateLoaded;
import org.dunlin.worker.member.MemberEvent.TeachAsked;
import org.dunlin.worker.member.MemberEvent.Welcomed;
import org.dunlin.worker.member.MemberState.Phase;

/**
 * A worker's side of a run, one event at a time. Pure: no clock, no actor, no tensor.
 *
 * <pre>
 *   JOINING (-> SPARE) -> LOADING -> WAITING -> MEETING -> COLLECTING -> COMPUTING -> PREPARED -> APPLYING
 *          '----------> LEARNING -> FOLLOWING --'    ^------------- next step ------------'
 * </pre>
 *
 * A new generation leads from any of them back to MEETING; from APPLYING once that is done. What
 * was computed for an older one is dropped: nobody else has it.
 *
 * <p>* Nothing is applied before the coordinator's commit, and nothing is committed that this
 * member is not prepared for, so a commit in any other phase is a repeated one and is dropped.
 */
public final class MemberProtocol {
  /**
   * The next state, and what has to be done now.
   *
   * @param next state
   * @param effects to be carried out front to back
   */
  public record Decision(MemberState next, List<MemberEffect> effects) {}

  /** Decides what an event means. */
  public Decision next(MemberState state, MemberEvent event) {
    return state.phase() == Phase.ENDED
        ? discard(state, event, "this worker has ended")
        : decide(obeyingHighest(state, event), event);
  }

  // A word of a higher term may overtake the one that says that it has begun.
  private static MemberState obeyingHighest(MemberState state, MemberEvent event) {
    Optional<Term> of =
        switch (event) {
          case Assigned assigned -> Optional.of(assigned.term());
          case StateAsked asked -> Optional.of(asked.term());
          case CheckpointAsked asked -> Optional.of(asked.term());
          case TeachAsked asked -> Optional.of(asked.term());
          case Dismissed dismissed -> Optional.of(dismissed.term());
          default -> Optional.empty();
        };
    boolean isHigher =
        holdsState(state.phase())
            && of.filter(term -> term.compareTo(state.term().orElseThrow()) > 0).isPresent();
    return isHigher ? state.withNewTerm(of.orElseThrow()) : state;
  }

  private static Decision decide(MemberState state, MemberEvent event) {
    return switch (event) {
      case Parked parked -> parked(state, parked);
      case Welcomed welcomed -> welcomed(state, welcomed);
      case StateLoaded loaded -> loaded(state, loaded);
      case CoordinatorChanged changed -> changed(state);
      case Recognized recognized -> recognized(state, recognized);
      case LearnAsked asked -> learn(state, asked);
      case TeachAsked asked -> teach(state, asked);
      case Followed followed -> followed(state, followed);
      case LessonBroke broke -> lessonBroke(state, broke);
      case Assigned assigned -> assigned(state, assigned);
      case Met met -> met(state, met);
      case Fed fed -> fed(state, fed);
      case Computed computed -> computed(state, computed);
      case MemoryShort tooSmall -> memoryShort(state, tooSmall);
      case Parted parted -> parted(state, parted);
      case Committed committed -> committed(state, committed);
      case Applied applied -> applied(state, applied);
      case CheckpointAsked asked -> checkpointAsked(state, asked);
      case StateAsked asked -> stateAsked(state, asked);
      case Dismissed dismissed -> dismissed(state, dismissed);
      case Failed failed ->
          new Decision(
              state.withPhase(Phase.ENDED),
              List.of(
                  new TellBroken(failed.sentence()),
                  new Stop(new WorkerEnd(true, failed.sentence()))));
      case LeaveAsked leave -> leave(state);
    };
  }

  private static Decision parked(MemberState state, Parked event) {
    if (state.phase() != Phase.JOINING) {
      return discard(state, event, "parked or welcomed already");
    }
    return new Decision(
        state.withTerm(event.term()).withPhase(Phase.SPARE), List.of(new StandBy(event.reason())));
  }

  private static Decision welcomed(MemberState state, Welcomed event) {
    // All teachers of a learner may be lost, and the run begin anew from a checkpoint.
    boolean learns = state.phase() == Phase.LEARNING || state.phase() == Phase.FOLLOWING;
    // What a dead coordinator had it load, after it was dead, the living one does not know of.
    boolean isLate =
        (state.phase() == Phase.LOADING || state.phase() == Phase.WAITING)
            && !obeys(state, event.term());
    boolean waits =
        state.phase() == Phase.JOINING || state.phase() == Phase.SPARE || learns || isLate;
    if (!waits || !isAtLeast(state, event.term())) {
      return discard(state, event, "welcomed already");
    }
    return new Decision(
        state.withWelcome(event),
        learns ? List.of(new EndStudy(), new Load()) : List.of(new Load()));
  }

  private static Decision loaded(MemberState state, StateLoaded event) {
    if (state.phase() != Phase.LOADING) {
      return discard(state, event, "nothing was being loaded");
    }
    return new Decision(
        state.withPhase(Phase.WAITING),
        List.of(new TellLoaded(state.term().orElseThrow(), event.probe())));
  }

  // What it holds is of use; what it was still to get must come from somewhere else.
  private static Decision changed(MemberState state) {
    return switch (state.phase()) {
      case JOINING, SPARE -> new Decision(MemberState.initial(), List.of(new TellJoin()));
      case LEARNING, FOLLOWING ->
          new Decision(MemberState.initial(), List.of(new EndStudy(), new TellJoin()));
      case LOADING ->
          new Decision(
              state.withPhase(Phase.ENDED),
              List.of(new Stop(new WorkerEnd(true, "the coordinator died before the first step"))));
      case APPLYING -> new Decision(state.withReturns(true), List.of());
      case WAITING, MEETING, COLLECTING, COMPUTING, STRANDED, PREPARED ->
          new Decision(state, List.of(telling(state)));
      case ENDED -> new Decision(state, List.of());
    };
  }

  private static TellReturn telling(MemberState state) {
    return new TellReturn(state.generation(), state.step(), state.prepared());
  }

  private static Decision recognized(MemberState state, Recognized event) {
    boolean isNews = state.term().isPresent() && event.term().compareTo(state.term().get()) > 0;
    return holdsState(state.phase()) && isNews
        ? new Decision(state.withNewTerm(event.term()), List.of())
        : discard(state, event, "obeys term " + state.term().map(Term::toString).orElse("none"));
  }

  private static Decision learn(MemberState state, LearnAsked event) {
    boolean mayLearn =
        switch (state.phase()) {
          case JOINING, SPARE, LEARNING, FOLLOWING -> true;
          default -> false;
        };
    boolean isNews = isAtLeast(state, event.term());
    if (!mayLearn || !isNews || event.lesson() <= state.lesson()) {
      return discard(state, event, "lesson " + state.lesson() + " is as new, or enough");
    }
    List<MemberEffect> effects = new ArrayList<>();
    if (state.phase() == Phase.LEARNING || state.phase() == Phase.FOLLOWING) {
      effects.add(new EndStudy());
    }
    effects.add(new Study(event.lesson(), event.teachers()));
    return new Decision(state.withLesson(event), List.copyOf(effects));
  }

  private static Decision teach(MemberState state, TeachAsked event) {
    if (!obeys(state, event.term()) || !holdsState(state.phase())) {
      return discard(state, event, "has no state to teach");
    }
    return state.given().contains(event.lesson())
        ? discard(state, event, "taught already")
        : new Decision(
            state.withGiven(event.lesson()),
            List.of(new Teach(event.lesson(), event.share(), event.shares())));
  }

  private static Decision followed(MemberState state, Followed event) {
    boolean learns = state.phase() == Phase.LEARNING || state.phase() == Phase.FOLLOWING;
    if (!learns || event.lesson() != state.lesson()) {
      return discard(state, event, "lesson " + event.lesson() + " is over");
    }
    if (!event.whole()) {
      return new Decision(state, List.of());
    }
    MemberState next = state.withFollowed(event.steps());
    if (state.phase() == Phase.LEARNING) {
      return new Decision(
          next,
          List.of(
              new TellCaughtUp(
                  state.term().orElseThrow(), event.lesson(), event.steps(), event.probe())));
    }
    return next.next().filter(assigned -> assigned.firstStep() == next.step()).isPresent()
        ? begin(next, next.next().get(), new EndStudy())
        : new Decision(next, List.of());
  }

  private static Decision lessonBroke(MemberState state, LessonBroke event) {
    boolean learns = state.phase() == Phase.LEARNING || state.phase() == Phase.FOLLOWING;
    return learns && event.lesson() == state.lesson()
        ? new Decision(
            state.withoutLesson(),
            List.of(
                new EndStudy(),
                new TellLessonLost(state.term().orElseThrow(), event.lesson(), event.why())))
        : discard(state, event, "lesson " + event.lesson() + " is over");
  }

  // The coordinator's word ends it; where there is none yet, nobody needs it.
  private static Decision leave(MemberState state) {
    return state.phase() == Phase.JOINING
        ? new Decision(
            state.withPhase(Phase.ENDED),
            List.of(new TellLeaving(), new Stop(new WorkerEnd(false, "it was asked to leave"))))
        : new Decision(state, List.of(new TellLeaving()));
  }

  private static Decision assigned(MemberState state, Assigned event) {
    if (!obeys(state, event.term())) {
      return discard(state, event, "of term " + event.term());
    }
    if (event.generation().compareTo(state.generation()) <= 0) {
      return discard(state, event, "generation " + state.generation() + " is as new");
    }
    if (state.next().isPresent()
        && event.generation().compareTo(state.next().get().generation()) <= 0) {
      return discard(state, event, "a newer one begins next");
    }
    return switch (state.phase()) {
      case JOINING, SPARE, LOADING, LEARNING, ENDED -> discard(state, event, "has no state yet");
      case FOLLOWING ->
          event.firstStep() > state.step()
              ? new Decision(state.withNext(event), List.of()) // the last gradients are on the way
              : begin(state, event, new EndStudy());
      case APPLYING -> new Decision(state.withNext(event), List.of());
      // A later first step says that this one is final: its commit was overtaken.
      case PREPARED ->
          event.firstStep() == state.step() + 1
              ? new Decision(
                  state.withNext(event).withPhase(Phase.APPLYING), List.of(new Apply(state.step())))
              : begin(state, event);
      case WAITING, MEETING, COLLECTING, COMPUTING, STRANDED -> begin(state, event);
    };
  }

  private static Decision begin(MemberState state, Assigned event, MemberEffect... before) {
    if (event.firstStep() != state.step()) {
      String sentence =
          "holds the state after %d steps, but generation %s begins with step %d"
              .formatted(state.step(), event.generation(), event.firstStep());
      return new Decision(
          state.withPhase(Phase.ENDED),
          List.of(new TellBroken(sentence), new Stop(new WorkerEnd(true, sentence))));
    }
    List<MemberEffect> effects = new ArrayList<>(List.of(before));
    effects.add(new BreakOff(event.generation()));
    effects.add(new Meet(event.generation()));
    return new Decision(state.withAssignment(event), List.copyOf(effects));
  }

  private static Decision parted(MemberState state, Parted event) {
    boolean waits = state.phase() == Phase.MEETING || state.phase() == Phase.COMPUTING;
    return waits && event.generation().equals(state.generation())
        ? new Decision(
            state.withPhase(Phase.STRANDED),
            List.of(new TellParted(state.term().orElseThrow(), event.generation())))
        : discard(state, event, "not with generation " + event.generation());
  }

  private static Decision memoryShort(MemberState state, MemoryShort event) {
    if (state.phase() != Phase.COMPUTING
        || !event.generation().equals(state.generation())
        || event.step() != state.step()) {
      return discard(state, event, "step " + event.step() + " is not being computed");
    }
    return new Decision(
        state.withPhase(Phase.STRANDED),
        List.of(
            new TellMemoryShort(
                state.term().orElseThrow(),
                event.generation(),
                event.step(),
                event.rows(),
                event.tokens())));
  }

  private static Decision met(MemberState state, Met event) {
    if (state.phase() != Phase.MEETING || !event.generation().equals(state.generation())) {
      return discard(state, event, "not meeting generation " + event.generation());
    }
    return collect(state.withPhase(Phase.COLLECTING));
  }

  private static Decision fed(MemberState state, Fed event) {
    if (!event.generation().equals(state.generation())) {
      return discard(state, event, "for generation " + event.generation());
    }
    long step = event.item().step();
    if (step < state.step()) {
      return discard(state, event, "step " + step + " is applied");
    }
    MemberState.Inbox inbox = state.fed().getOrDefault(step, MemberState.Inbox.EMPTY);
    if (inbox.has(event.item())) {
      return discard(state, event, "fed already");
    }
    MemberState next = state.withFed(event.item());
    return state.phase() == Phase.COLLECTING ? collect(next) : new Decision(next, List.of());
  }

  private static Decision collect(MemberState state, MemberEffect... before) {
    List<MemberEffect> effects = new ArrayList<>(List.of(before));
    MemberState.Inbox inbox = state.fed().getOrDefault(state.step(), MemberState.Inbox.EMPTY);
    Optional<List<SlotBatch>> own = inbox.complete(state.firstSlot(), state.slots());
    if (own.isEmpty()) {
      return new Decision(state, List.copyOf(effects));
    }
    effects.add(
        new Compute(
            state.generation(), inbox.header().orElseThrow(), own.get(), state.recompute()));
    return new Decision(state.withPhase(Phase.COMPUTING), List.copyOf(effects));
  }

  private static Decision computed(MemberState state, Computed event) {
    if (state.phase() != Phase.COMPUTING
        || !event.generation().equals(state.generation())
        || event.result().step() != state.step()) {
      return discard(state, event, "step " + event.result().step() + " is not being computed");
    }
    return new Decision(
        state.withPrepared(event.result()),
        List.of(new TellPrepared(state.term().orElseThrow(), state.generation(), event.result())));
  }

  private static Decision committed(MemberState state, Committed event) {
    if (!obeys(state, event.term()) || !event.generation().equals(state.generation())) {
      return discard(
          state, event, "of term " + event.term() + ", generation " + event.generation());
    }
    if (state.phase() != Phase.PREPARED || event.step() != state.step()) {
      return discard(state, event, "step " + event.step() + " is not prepared");
    }
    return new Decision(state.withPhase(Phase.APPLYING), List.of(new Apply(event.step())));
  }

  private static Decision applied(MemberState state, Applied event) {
    if (state.phase() != Phase.APPLYING || event.step() != state.step()) {
      return discard(state, event, "step " + event.step() + " is not being applied");
    }
    MemberState next = state.withApplied().withReturns(false);
    List<MemberEffect> before = new ArrayList<>();
    if (state.returns()) {
      before.add(telling(next));
    }
    if (next.stateAsked() == next.step()) {
      before.add(new Offer(next.term().orElseThrow(), next.step()));
    }
    if (next.checkpointAsked().isPresent()) {
      CheckpointAsked asked = next.checkpointAsked().get();
      before.add(asked.steps() == next.step() ? snapshot(asked) : tooLate(asked, next.step()));
      next = next.withCheckpointAsked(Optional.empty());
    }
    MemberEffect[] first = before.toArray(MemberEffect[]::new);
    return next.next().isPresent() ? begin(next, next.next().get(), first) : collect(next, first);
  }

  // Its commit comes before it, but need not be applied yet.
  private static Decision checkpointAsked(MemberState state, CheckpointAsked event) {
    if (!obeys(state, event.term())) {
      return discard(state, event, "of term " + event.term());
    }
    if (state.checkpointAsked().filter(one -> one.number() >= event.number()).isPresent()) {
      return discard(state, event, "a newer one is waited for");
    }
    if (!holdsState(state.phase()) || event.steps() < state.step()) {
      return new Decision(state, List.of(tooLate(event, state.step())));
    }
    return event.steps() == state.step() && isIdle(state.phase())
        ? new Decision(state, List.of(snapshot(event)))
        : new Decision(state.withCheckpointAsked(Optional.of(event)), List.of());
  }

  private static MemberEffect snapshot(CheckpointAsked asked) {
    return new Snapshot(asked.term(), asked.number(), asked.steps(), asked.share(), asked.shares());
  }

  private static MemberEffect tooLate(CheckpointAsked asked, long steps) {
    return new TellPartLost(
        asked.term(),
        asked.number(),
        "it holds the state after %d steps, not %d".formatted(steps, asked.steps()));
  }

  private static Decision stateAsked(MemberState state, StateAsked event) {
    if (!obeys(state, event.term()) || event.steps() < state.step()) {
      return discard(state, event, "the state is at " + state.step() + " steps");
    }
    if (event.steps() == state.step() && isIdle(state.phase())) {
      // Once more, if asked once more: the first time may have broken on its way.
      return new Decision(
          state.withStateAsked(event.steps()), List.of(new Offer(event.term(), event.steps())));
    }
    return state.stateAsked() >= event.steps()
        ? discard(state, event, "asked already")
        : new Decision(state.withStateAsked(event.steps()), List.of());
  }

  // While a step is applied its parameters are of neither step; before, they are still the old
  // ones.
  private static boolean isIdle(Phase phase) {
    return holdsState(phase) && phase != Phase.APPLYING;
  }

  private static boolean holdsState(Phase phase) {
    return switch (phase) {
      case WAITING, MEETING, COLLECTING, COMPUTING, STRANDED, PREPARED, APPLYING -> true;
      case JOINING, SPARE, LOADING, LEARNING, FOLLOWING, ENDED -> false;
    };
  }

  private static Decision dismissed(MemberState state, Dismissed event) {
    if (state.term().isPresent() && !obeys(state, event.term())) {
      return discard(state, event, "of term " + event.term());
    }
    boolean failed = event.refused() || state.phase() == Phase.JOINING;
    return new Decision(
        state.withPhase(Phase.ENDED), List.of(new Stop(new WorkerEnd(failed, event.reason()))));
  }

  // A dead coordinator's word may arrive after the change; the living one's then counts for more.
  private static boolean isAtLeast(MemberState state, Term term) {
    return state.term().filter(known -> known.compareTo(term) > 0).isEmpty();
  }

  private static boolean obeys(MemberState state, Term term) {
    return state.term().isPresent() && state.term().get().equals(term);
  }

  private static Decision discard(MemberState state, MemberEvent event, String why) {
    return new Decision(state, List.of(new Discard(event, why)));
  }
}
