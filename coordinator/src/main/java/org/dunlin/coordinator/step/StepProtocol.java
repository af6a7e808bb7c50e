package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dunlin.coordinator.step.Auditing.Verdict;
import org.dunlin.coordinator.step.Effect.AskState;
import org.dunlin.coordinator.step.Effect.Commit;
import org.dunlin.coordinator.step.Effect.Discard;
import org.dunlin.coordinator.step.Effect.Ledger;
import org.dunlin.coordinator.step.Effect.Note;
import org.dunlin.coordinator.step.Effect.Wait;
import org.dunlin.coordinator.step.Effect.Write;
import org.dunlin.coordinator.step.Event.Broken;
import org.dunlin.coordinator.step.Event.CaughtUp;
import org.dunlin.coordinator.step.Event.CheckpointDue;
import org.dunlin.coordinator.step.Event.CheckpointFailed;
import org.dunlin.coordinator.step.Event.CheckpointFound;
import org.dunlin.coordinator.step.Event.CheckpointWritten;
import org.dunlin.coordinator.step.Event.Joined;
import org.dunlin.coordinator.step.Event.LeaveAsked;
import org.dunlin.coordinator.step.Event.Ledgered;
import org.dunlin.coordinator.step.Event.LessonLost;
import org.dunlin.coordinator.step.Event.Loaded;
import org.dunlin.coordinator.step.Event.Lost;
import org.dunlin.coordinator.step.Event.Measured;
import org.dunlin.coordinator.step.Event.MemoryShort;
import org.dunlin.coordinator.step.Event.Offered;
import org.dunlin.coordinator.step.Event.PartLost;
import org.dunlin.coordinator.step.Event.PartWritten;
import org.dunlin.coordinator.step.Event.Parted;
import org.dunlin.coordinator.step.Event.Prepared;
import org.dunlin.coordinator.step.Event.Recorded;
import org.dunlin.coordinator.step.Event.Returned;
import org.dunlin.coordinator.step.Event.RosterWaited;
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
 *   GATHERING ---those that an earlier coordinator left---> STEPPING
 *   all that held the state lost -> FINDING -a checkpoint-> REASSEMBLING -workers loaded-> STEPPING
 * </pre>
 *
 * A step is committed when every member of the generation is prepared for it with the same checksum
 * and the ledger has it, and only then does the next one begin. Before that, some are computed once
 * more by others: see {@link Auditing}. Slots move to other members only then, in a new generation,
 * and only when much time is to be gained. When a member is lost, or holds another gradient or
 * state than most, the others begin a new generation with the lowest uncommitted step; when one is
 * short of memory, all do, with smaller micro-batches, once that is on record. An event that is
 * late, repeated or of another life becomes a {@link Discard}, never an exception. Who takes part
 * is the {@link Roster}'s matter, and how a run ends the {@link Ending}'s.
 */
public final class StepProtocol {
  /**
   * The next state, and what has to be done now.
   *
   * @param next state
   * @param effects to be carried out front to back
   */
  public record Decision(State next, List<Effect> effects) {
    /** The same decision, once those other effects are carried out. */
    Decision after(List<Effect> before) {
      List<Effect> all = new ArrayList<>(before);
      all.addAll(effects);
      return new Decision(next, List.copyOf(all));
    }
  }

  /** Attempts in a row that come to nothing although all live; each takes a lease or longer. */
  static final int MOST_RETRIES = 8;

  /** Times in a row that members hold different gradients and none has more than half of them. */
  private static final int MOST_TIES = 2;

  private final Term term;
  private final long steps;
  private final int slots;
  private final Admission admission;
  private final Roster roster;
  private final Ending ending;
  private final Succession succession;
  private final Checkpoints checkpoints;
  private final Measuring measuring;
  private final Auditing auditing;
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
    this(
        term,
        steps,
        slots,
        admission,
        mostNotFinite,
        true,
        Past.NONE,
        CheckpointPlan.NONE,
        EvaluationPlan.NONE,
        AuditPlan.NONE);
  }

  /**
   * @param moves whether slots move to faster members although nobody is lost
   * @param past what earlier terms have committed; then it begins with {@link State#after}
   * @param plan of its checkpoints
   * @param evaluationPlan of its evaluations
   * @param auditPlan of its audits; none are made where kernels may differ
   */
  public StepProtocol(
      Term term,
      long steps,
      int slots,
      Admission admission,
      long mostNotFinite,
      boolean moves,
      Past past,
      CheckpointPlan plan,
      EvaluationPlan evaluationPlan,
      AuditPlan auditPlan) {
    this.moves = moves;
    this.term = term;
    this.steps = steps;
    this.slots = slots;
    this.admission = admission;
    this.mostNotFinite = mostNotFinite;
    this.measuring = new Measuring(evaluationPlan, steps);
    this.ending = new Ending(term, steps, mostNotFinite, measuring);
    this.checkpoints = new Checkpoints(term, plan, ending, measuring);
    AuditPlan audits = admission.differentKernels() ? AuditPlan.NONE : auditPlan;
    this.roster = new Roster(term, slots, admission, ending, checkpoints, measuring, audits);
    this.auditing = new Auditing(audits, roster, ending);
    this.succession = new Succession(term, past, roster, checkpoints, ending);
  }

  /** Decides what an event means. */
  public Decision next(State state, Event event) {
    if (state.phase() == Phase.ENDED) {
      return Ending.discard(state, event, "the run has ended");
    }
    return switch (event) {
      case Joined joined -> roster.joined(state, joined);
      case Loaded loaded -> roster.loaded(state, loaded);
      case Prepared prepared -> prepared(state, prepared);
      case MemoryShort tooSmall -> memoryShort(state, tooSmall);
      case Recorded recorded -> recorded(state, recorded);
      case Parted parted -> parted(state, parted);
      case Waited waited -> waited(state, waited);
      case Offered offered -> ending.offered(state, offered);
      case Saved saved -> ending.saved(state, saved);
      case SaveFailed failed -> ending.saveFailed(state, failed);
      case Lost lost -> roster.lost(state, lost);
      case CaughtUp caughtUp -> roster.caughtUp(state, caughtUp);
      case LessonLost broken -> roster.lessonLost(state, broken);
      case Returned returned -> succession.returned(state, returned);
      case RosterWaited waited -> succession.waited(state, waited);
      case LeaveAsked leave -> roster.leave(state, leave);
      case Ledgered ledgered -> ledgered(state, ledgered);
      case CheckpointDue due ->
          new Decision(state.with(state.checkpoints().withDue(true)), List.of());
      case PartWritten written -> checkpoints.written(state, written);
      case PartLost lost -> agreeIfMay(checkpoints.lost(state, lost));
      case CheckpointWritten written -> agreeIfMay(checkpoints.written(state, written));
      case CheckpointFailed failed -> agreeIfMay(checkpoints.failed(state, failed));
      case Measured measured -> agreeIfMay(measured(state, measured));
      case CheckpointFound found -> checkpoints.found(state, found, roster);
      case StopAsked stop -> stop(state, stop);
      case Broken broken -> ending.fail(state, broken.sentence());
    };
  }

  private Decision prepared(State state, Prepared event) {
    StepResult result = event.result();
    if (!isOpen(state, event.term(), event.generation(), result.step())) {
      return Ending.discard(
          state, event, "step " + result.step() + " is not open in that generation");
    }
    if (!state.isMember(event.worker())) {
      return Ending.discard(state, event, "not a member");
    }
    if (state.prepared().containsKey(event.worker())) {
      return Ending.discard(state, event, "prepared already");
    }
    State next = state.withPrepared(event.worker(), result);
    return agreeIfMay(new Decision(next, List.of()));
  }

  private Decision measured(State state, Measured event) {
    Decision measured = measuring.measured(state, event, checkpoints);
    return checkpoints.endIfSaved(measured.next(), measured.effects());
  }

  // Once all are prepared, unless an evaluation has to catch up.
  private Decision agreeIfMay(Decision decision) {
    State state = decision.next();
    boolean allPrepared =
        state.phase() == Phase.STEPPING
            && !state.committing()
            && state.awaited().isEmpty()
            && !state.shares().isEmpty()
            && state.prepared().size() == state.shares().size();
    if (!allPrepared || measuring.waits(state)) {
      return decision;
    }
    return agree(state).after(decision.effects());
  }

  private boolean isOpen(State state, Term of, Generation generation, long step) {
    return of.equals(term)
        && generation.equals(state.generation())
        && state.phase() == Phase.STEPPING
        && !state.committing()
        && step == state.step();
  }

  private Decision memoryShort(State state, MemoryShort event) {
    if (!isOpen(state, event.term(), event.generation(), event.step())
        || !state.isMember(event.worker())) {
      return Ending.discard(
          state, event, "step " + event.step() + " is not open in that generation");
    }
    if (state.awaited().isPresent()) {
      return Ending.discard(state, event, "micro-batches are being made smaller already");
    }
    if (event.rows() < 2) {
      return ending.fail(
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
        : Ending.discard(state, event, "not of this generation");
  }

  // All are alive, so only a connection was lost: they meet again, but not for ever.
  private Decision waited(State state, Waited event) {
    if (!isOpen(state, term, event.generation(), state.step()) || state.awaited().isPresent()) {
      return Ending.discard(state, event, "not of this generation");
    }
    if (state.retries() == MOST_RETRIES) {
      return ending.fail(
          state,
          "step %d: the workers reach the coordinator but not each other, after %d new attempts; let every host reach every other one's ports"
              .formatted(state.step(), MOST_RETRIES));
    }
    return roster.assign(state.withRetry(), List.of());
  }

  private Decision recorded(State state, Recorded event) {
    if (!state.awaited().equals(Optional.of(event.cut()))) {
      return Ending.discard(state, event, "that record is not awaited");
    }
    if (state.able().isEmpty()) {
      return checkpoints.rewind(state, List.of(), "no worker is left");
    }
    long from = event.cut().fromStep();
    State cut = state.with(state.evaluations().renounced(from));
    return from < state.checkpoints().furthest()
        ? roster.assign(
            cut.with(state.checkpoints().renounced(from)), checkpoints.renounce(state, from))
        : roster.assign(cut, List.of());
  }

  // All are prepared: if for the same, the step counts as soon as that is durable.
  private Decision agree(State state) {
    Map<Long, List<WorkerId>> byChecksum = new TreeMap<>();
    state
        .prepared()
        .forEach(
            (worker, result) ->
                byChecksum.computeIfAbsent(compared(result), c -> new ArrayList<>()).add(worker));
    if (byChecksum.size() > 1) {
      return disagree(state, byChecksum);
    }
    StepResult agreed = state.prepared().get(state.shares().get(0).worker());
    return switch (auditing.of(state, agreed.checksum())) {
      case Verdict.Goes goes -> goes.decision();
      case Verdict.Counts counts -> count(state, agreed).after(counts.notes());
    };
  }

  private Decision count(State state, StepResult agreed) {
    return new Decision(
        state.withCommitting(),
        List.of(
            new Ledger(
                state.generation(),
                state.step(),
                agreed.checksum(),
                Optional.of(point(state, agreed))
                    .filter(point -> measuring.isDue(state, point.steps())))));
  }

  private long compared(StepResult result) {
    return admission.differentKernels() ? result.gradientChecksum() : result.checksum();
  }

  // Whom more than half contradict computes wrongly. Without such a half the sum is made once more:
  // a bit that flipped in one memory is right then.
  private Decision disagree(State state, Map<Long, List<WorkerId>> byChecksum) {
    Optional<Long> right =
        byChecksum.entrySet().stream()
            .filter(entry -> 2 * entry.getValue().size() > state.prepared().size())
            .map(Map.Entry::getKey)
            .findFirst();
    if (right.isPresent()) {
      return fence(state, byChecksum, right.get());
    }
    String sentence =
        "step %d: the workers hold different gradients or states (checksums %s); one of these machines computes wrongly"
            .formatted(state.step(), checksums(byChecksum));
    return state.ties() < MOST_TIES
        ? roster.assign(state.withTie(), List.of(new Note(sentence + "; they sum it up again")))
        : ending.fail(state, sentence);
  }

  private Decision fence(State state, Map<Long, List<WorkerId>> byChecksum, long right) {
    Decision decision = new Decision(state, List.of());
    for (Map.Entry<Long, List<WorkerId>> entry : byChecksum.entrySet()) {
      if (entry.getKey() == right) {
        continue;
      }
      String why =
          "holds another gradient or state in step %d than the others (checksum %016x; expected: %016x): its machine computes wrongly"
              .formatted(state.step(), entry.getKey(), right);
      for (WorkerId worker : entry.getValue()) {
        decision = roster.fence(decision, worker, why);
      }
    }
    return decision;
  }

  private static String checksums(Map<Long, List<WorkerId>> byChecksum) {
    return byChecksum.entrySet().stream()
        .map(entry -> "%016x of %s".formatted(entry.getKey(), names(entry.getValue())))
        .collect(Collectors.joining(", "));
  }

  private static String names(List<WorkerId> workers) {
    return workers.stream().map(WorkerId::toString).collect(Collectors.joining(" and "));
  }

  /** What a checkpoint must know of the state after the open step. */
  private static CheckpointPoint point(State state, StepResult agreed) {
    return new CheckpointPoint(
        state.step() + 1,
        agreed.scalars(),
        agreed.checksum(),
        state.notFinite().after(loss(state), agreed).inARow());
  }

  // Whoever was lost meanwhile was prepared too; the others apply the step before they go on.
  private Decision ledgered(State state, Ledgered event) {
    if (!state.committing() || event.step() != state.step()) {
      return Ending.discard(state, event, "step " + event.step() + " is not being committed");
    }
    StepResult agreed = state.prepared().get(state.shares().get(0).worker());
    double loss = loss(state);
    NotFinite notFinite = state.notFinite().after(loss, agreed);
    List<WorkerId> members = state.shares().stream().map(Share::worker).toList();
    Commit commit =
        new Commit(
            state.generation(),
            state.step(),
            members.stream().filter(worker -> state.loaded().contains(worker)).toList(),
            loss,
            agreed.gradientNorm(),
            agreed.applied(),
            agreed.scalars(),
            notFinite.inARow());
    State next = state.withCommitted(notFinite);
    List<Effect> effects = new ArrayList<>(List.of(commit));
    if (next.loaded().isEmpty()) {
      return checkpoints.rewind(next, effects, "no worker is left");
    }
    boolean lastLeaves = next.leaving().containsAll(next.loaded()) && next.lessons().isEmpty();
    boolean isLast = ending.isDone(next);
    boolean ends = isLast || next.stopAsked() || notFinite.reaches(mostNotFinite) || lastLeaves;
    CheckpointPoint point = point(state, agreed);
    if (measuring.isDue(next, next.step())) {
      next = next.with(next.evaluations().withDue(point));
    }
    if (checkpoints.isDue(next, event.endsEpoch(), ends && !isLast)) {
      next = checkpoints.begin(next, point, effects);
    }
    next = measuring.goOn(next, checkpoints, effects);
    if (isLast && next.step() < steps) {
      effects.add(new Note(measuring.sentence()));
    }
    if (ends) {
      WorkerId source = commit.members().get(0);
      effects.add(new AskState(source, next.step()));
      return new Decision(next.withSource(source), List.copyOf(effects));
    }
    boolean others =
        !List.copyOf(next.able()).equals(members)
            || roster.canRelease(next)
            || (!next.spares().isEmpty() && !next.teachers().isEmpty());
    return others || calls(next)
        ? roster.assign(next, effects)
        : new Decision(next, List.copyOf(effects));
  }

  private boolean calls(State state) {
    Speeds speeds = state.speeds();
    return moves
        && speeds.areSettled()
        && speeds.callFor(Share.leastMs(state.loaded(), slots, speeds), state.shares());
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

  private Decision stop(State state, StopAsked event) {
    if (state.stopAsked()) {
      return Ending.discard(state, event, "asked already");
    }
    State next = state.withStopAsked();
    return switch (state.phase()) {
      case ASSEMBLING, FINDING, REASSEMBLING -> ending.finish(next, List.of());
      case SAVING -> checkpoints.endIfSaved(next, List.of());
      default -> new Decision(next, List.of());
    };
  }
}
