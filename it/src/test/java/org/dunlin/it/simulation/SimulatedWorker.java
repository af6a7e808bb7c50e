package org.dunlin.it.simulation;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.dunlin.coordinator.step.Event;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.SlotDigest;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.member.MemberEffect;
import org.dunlin.worker.member.MemberEvent;
import org.dunlin.worker.member.MemberProtocol;
import org.dunlin.worker.member.MemberState;

/** A worker whose gradients are hashes: production's protocol around a make-believe device. */
final class SimulatedWorker {
  private static final Set<MemberState.Phase> TOGETHER =
      EnumSet.range(MemberState.Phase.WAITING, MemberState.Phase.APPLYING);

  private final WorkerId id;
  private final Simulation simulation;
  private final Minds minds;
  private final MemberProtocol protocol = new MemberProtocol();
  private MemberState state = MemberState.initial();
  private Generation newest = new Generation(0);
  private Term met = Simulation.TERM;
  private Term found = Simulation.TERM;
  private long parameters = Invariants.INITIAL_PARAMETERS;
  private long applied;
  private long prepared;
  private final List<SimulatedLesson> given = new ArrayList<>();
  private final Map<Long, WorkerId> learners = new HashMap<>();
  private final Map<Integer, Share> shares = new TreeMap<>();
  private final Map<Integer, Leaf> kept = new TreeMap<>();
  private long studied;
  private int teachers;
  private boolean alive = true;
  private final List<Runnable> asleep = new ArrayList<>();
  private long wakesAt;

  /** What a learner has of a share, which here is the whole state. */
  private record Share(long parameters, long steps, boolean proven) {}

  SimulatedWorker(WorkerId id, Simulation simulation, Minds minds) {
    this.id = id;
    this.simulation = simulation;
    this.minds = minds;
  }

  WorkerId id() {
    return id;
  }

  long parameters() {
    return parameters;
  }

  long applied() {
    return applied;
  }

  /** The coordinator that it has found, whose alone its words are. */
  Term found() {
    return found;
  }

  boolean isAlive() {
    return alive;
  }

  /** Whether it lives, belongs to a generation, and was never kept from hearing and answering. */
  boolean isWaiting() {
    return alive && wakesAt == 0 && TOGETHER.contains(state.phase());
  }

  void kill() {
    alive = false;
    given.forEach(SimulatedLesson::breakOff);
  }

  /** A stream to a learner breaks, though all live. */
  boolean breakLesson() {
    if (given.isEmpty()) {
      return false;
    }
    given.get(given.size() - 1).breakOff();
    return true;
  }

  /** Another coordinator is listed; it speaks to that one, once. */
  void finds(Term coordinator) {
    whenAwake(
        () -> {
          if (coordinator.equals(simulation.term()) && coordinator.compareTo(found) > 0) {
            found = coordinator;
            on(new MemberEvent.CoordinatorChanged());
          }
        });
  }

  /** The coordinator says whom to teach. */
  void teach(MemberEvent.TeachAsked asked, WorkerId learner) {
    learners.put(asked.lesson(), learner);
    on(asked);
  }

  void taught(long lesson, int share, long value, long steps) {
    whenAwake(() -> take(lesson, share, new Share(value, steps, false)));
  }

  void taughtStep(long lesson, int share, long gradient) {
    whenAwake(
        () -> {
          Share before = shares.get(share);
          if (lesson == studied && before != null) {
            long next = Invariants.hash(before.parameters(), gradient);
            take(lesson, share, new Share(next, before.steps() + 1, true));
          }
        });
  }

  void lessonBroke(long lesson) {
    on(new MemberEvent.LessonBroke(lesson, "a teacher is gone"));
  }

  private void take(long lesson, int number, Share share) {
    if (lesson != studied) {
      return;
    }
    shares.put(number, share);
    boolean whole =
        shares.size() == teachers
            && shares.values().stream()
                .allMatch(each -> each.proven() && each.steps() == share.steps());
    if (whole) {
      for (Share each : shares.values()) {
        // Who was taken for dead and hears it now may learn what the run has renounced since.
        Invariants.check(
            !simulation.counts(id)
                || each.parameters() == simulation.invariants().parametersAfter(each.steps()),
            id + " learnt other parameters than those after " + each.steps() + " steps");
      }
      parameters = share.parameters();
      applied = share.steps();
    }
    on(new MemberEvent.Followed(lesson, share.steps(), whole, "probe"));
  }

  /** Until then everything that reaches it waits. */
  void hangUntil(long tick) {
    wakesAt = Math.max(wakesAt, tick);
    simulation.at(wakesAt, this::wake);
  }

  // What reached it meanwhile it hears in that order.
  private void wake() {
    if (simulation.now() >= wakesAt) {
      List<Runnable> waited = List.copyOf(asleep);
      asleep.clear();
      waited.forEach(this::whenAwake);
    }
  }

  void on(MemberEvent event) {
    whenAwake(
        () -> {
          MemberProtocol.Decision decision = minds.member(protocol, state, event);
          state = decision.next();
          decision.effects().forEach(this::carryOut);
        });
  }

  private void whenAwake(Runnable action) {
    if (!alive) {
      return;
    }
    if (simulation.now() < wakesAt || !asleep.isEmpty()) {
      asleep.add(action);
      return;
    }
    action.run();
  }

  private void carryOut(MemberEffect effect) {
    switch (effect) {
      case MemberEffect.StandBy e -> {}
      case MemberEffect.TellLeaving e -> simulation.tellCoordinator(id, new Event.LeaveAsked(id));
      case MemberEffect.Load e -> {
        applied = state.step();
        parameters = simulation.stored(applied);
        simulation.later(() -> on(new MemberEvent.StateLoaded("probe")));
      }
      case MemberEffect.Snapshot e -> snapshot(e);
      case MemberEffect.TellPartLost e ->
          simulation.tellCoordinator(id, new Event.PartLost(id, e.term(), e.number(), e.why()));
      case MemberEffect.TellLoaded e ->
          simulation.tellCoordinator(id, new Event.Loaded(id, e.term(), e.probe()));
      case MemberEffect.TellReturn e ->
          simulation.tellCoordinator(
              id,
              new Event.Returned(
                  id,
                  e.generation(),
                  simulation.roster(state.term(), e.generation()),
                  e.steps(),
                  e.prepared(),
                  "probe"));
      case MemberEffect.TellJoin e -> simulation.tellCoordinator(id, new Event.Joined(id));
      case MemberEffect.Study e -> {
        shares.clear();
        studied = e.lesson();
        teachers = e.teachers();
      }
      case MemberEffect.EndStudy e -> studied = 0;
      case MemberEffect.Teach e ->
          given.add(
              new SimulatedLesson(
                  simulation, this, learners.get(e.lesson()), e.lesson(), e.share()));
      case MemberEffect.TellCaughtUp e ->
          simulation.tellCoordinator(
              id, new Event.CaughtUp(id, e.term(), e.lesson(), e.steps(), e.probe()));
      case MemberEffect.TellLessonLost e ->
          simulation.tellCoordinator(id, new Event.LessonLost(id, e.term(), e.lesson(), e.why()));
      case MemberEffect.BreakOff e ->
          simulation.invariants().brokenOff(id, state.term().orElseThrow(), e.next());
      case MemberEffect.Meet e -> meet(e.generation());
      case MemberEffect.Compute e -> compute(e);
      case MemberEffect.TellMemoryShort e ->
          simulation.tellCoordinator(
              id,
              new Event.MemoryShort(id, e.term(), e.generation(), e.step(), e.rows(), e.tokens()));
      case MemberEffect.TellParted e ->
          simulation.tellCoordinator(id, new Event.Parted(id, e.term(), e.generation()));
      case MemberEffect.TellPrepared e -> {
        simulation.invariants().prepared(id, met, e);
        simulation.tellCoordinator(
            id, new Event.Prepared(id, e.term(), e.generation(), e.result()));
      }
      case MemberEffect.Apply e -> simulation.later(() -> whenAwake(() -> apply(e.step())));
      case MemberEffect.Offer e -> {
        Invariants.check(
            applied == e.steps(),
            "%s offers its state after %d steps as that after %d"
                .formatted(id, applied, e.steps()));
        simulation.offered(id, e.term(), e.steps(), parameters);
      }
      case MemberEffect.TellBroken e -> throw new AssertionError(id + ": " + e.sentence());
      case MemberEffect.Stop e -> {
        kill();
        simulation.invariants().killed(id);
        simulation.noticed(new Event.Lost(id, "ended its connection"));
      }
      case MemberEffect.Discard e -> simulation.countDiscard();
    }
  }

  // Written later, of the state as it is now.
  private void snapshot(MemberEffect.Snapshot asked) {
    Invariants.check(
        applied == asked.steps(),
        "%s keeps its state after %d steps as that after %d".formatted(id, applied, asked.steps()));
    CheckpointPart part =
        new CheckpointPart(
            "share-" + asked.share() + "-of-" + asked.shares(),
            1,
            "%064x".formatted(parameters),
            List.of());
    simulation.slowly(
        () ->
            whenAwake(
                () ->
                    simulation.tellCoordinator(
                        id, new Event.PartWritten(id, asked.term(), asked.number(), part))));
  }

  private void meet(Generation generation) {
    Term term = state.term().orElseThrow();
    Invariants.check(
        generation.compareTo(newest) > 0, id + " goes back to generation " + generation);
    newest = generation;
    met = term;
    simulation.feed(id, term, generation);
    simulation.invariants().meeting(this, term, generation);
  }

  private void compute(MemberEffect.Compute compute) {
    long step = compute.header().step();
    for (SlotBatch batch : compute.own()) {
      int rows = batch.microBatches()[0].length;
      if (!simulation.fits(id, step, rows)) {
        simulation.later(
            () ->
                on(
                    new MemberEvent.MemoryShort(
                        compute.generation(), step, rows, batch.paddedTokens(0))));
        return;
      }
    }
    Term term = met;
    simulation
        .invariants()
        .computing(this, term, compute, () -> whenAwake(() -> computed(term, compute)));
  }

  /** What is here of the step under way, when it begins or goes on. */
  Map<Integer, Leaf> kept(Recompute recompute) {
    if (recompute != Recompute.MISSING) {
      kept.clear();
    }
    return kept;
  }

  /** Computes a slot, unless it is here already. */
  Leaf compute(SlotBatch batch, int members) {
    Leaf right = Leaf.of(batch, parameters);
    if (!kept.containsKey(batch.slot()) || kept.get(batch.slot()).key() != right.key()) {
      kept.put(batch.slot(), simulation.computed(id, batch.step(), members, right));
    }
    return kept.get(batch.slot());
  }

  void parted(Generation generation) {
    simulation.later(() -> on(new MemberEvent.Parted(generation, "a peer is gone")));
  }

  private void computed(Term term, MemberEffect.Compute compute) {
    long step = compute.header().step();
    prepared = simulation.invariants().reduced(term, compute.generation(), step);
    on(
        new MemberEvent.Computed(
            compute.generation(),
            new StepResult(
                step,
                simulation.reported(id, step, prepared),
                true,
                1,
                new Scalars(applied + 1, 1, 0),
                new double[0],
                simulation.busyMs(id, step, compute.own().size()),
                digests(term, compute))));
  }

  private List<SlotDigest> digests(Term term, MemberEffect.Compute compute) {
    return compute.recompute() == Recompute.ALL_SHOWN
        ? compute.own().stream()
            .map(b -> simulation.invariants().digest(term, compute.generation(), b.slot()))
            .toList()
        : List.of();
  }

  private void apply(long step) {
    simulation.invariants().applying(id, step, applied, prepared);
    parameters = Invariants.hash(parameters, prepared);
    applied++;
    kept.clear();
    given.forEach(lesson -> lesson.applied(prepared));
    on(new MemberEvent.Applied(step));
  }
}
