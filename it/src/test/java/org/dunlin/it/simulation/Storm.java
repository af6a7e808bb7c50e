package org.dunlin.it.simulation;

import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.State;
import org.dunlin.protocol.WorkerId;
import org.dunlin.worker.member.MemberEvent;

/** What befalls a run, drawn after each delivery, and which failures that excuses. */
final class Storm {
  /**
   * What may happen.
   *
   * @param maxDelay ticks of a message, at least 1
   * @param repeatProbability of delivering a message a second time
   * @param kills workers that die
   * @param cuts times that connections between living members break
   * @param hangs workers that stand still; most of them longer than their lease
   * @param deaths of coordinators
   * @param joins workers that come while the run is under way
   * @param leaves workers that are asked to go
   * @param lessonBreaks streams to learners that break although both ends live
   * @param saveBreaks streams of parameters that break although their sender lives
   * @param lossProbability of a message from or to a worker that the coordinator goes on without
   * @param stops whether a person asks for the end
   * @param early whether workers may die before the first step
   * @param all whether the last worker may die too; others then come
   * @param checkpointEvery steps; 0: none are made
   * @param liarAtStep the step in which the last of the first workers computes wrongly, or -1; in
   *     an even one a bit flips once, in an odd one its machine is broken
   */
  record Plan(
      int maxDelay,
      double repeatProbability,
      int kills,
      int cuts,
      int hangs,
      int deaths,
      int joins,
      int leaves,
      int lessonBreaks,
      int saveBreaks,
      double lossProbability,
      boolean stops,
      boolean early,
      boolean all,
      long checkpointEvery,
      long liarAtStep) {
    static final Plan CALM = new Plan(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, false, false, false, 0, -1);

    static Plan draw(SplittableRandom draw, int steps) {
      return new Plan(
          1 + draw.nextInt(50),
          draw.nextDouble() * draw.nextInt(2),
          draw.nextInt(4),
          draw.nextInt(3),
          draw.nextInt(3),
          draw.nextInt(3),
          draw.nextInt(4),
          draw.nextInt(3),
          draw.nextInt(3),
          draw.nextInt(3),
          draw.nextDouble(),
          draw.nextInt(8) == 0,
          draw.nextInt(16) == 0,
          draw.nextInt(4) == 0,
          draw.nextInt(5),
          draw.nextInt(16) == 0 ? draw.nextInt(steps) : -1);
    }
  }

  private final Plan plan;
  private final Simulation simulation;
  private final Set<WorkerId> doomed = new TreeSet<>();
  private final Set<WorkerId> leaving = new TreeSet<>();
  private int kills;
  private int cuts;
  private int hangs;
  private int deaths;
  private int joins;
  private int leaves;
  private int lessonBreaks;
  private int saveBreaks;
  private boolean stopAsked;
  private boolean diedEarly;
  private boolean lied;
  private boolean liedBefore;
  private long lastAt;

  Storm(Plan plan, Simulation simulation) {
    this.plan = plan;
    this.simulation = simulation;
    this.kills = plan.kills();
    this.cuts = plan.cuts();
    this.hangs = plan.hangs();
    this.deaths = plan.deaths();
    this.joins = plan.joins();
    this.leaves = plan.leaves();
    this.lessonBreaks = plan.lessonBreaks();
    this.saveBreaks = plan.saveBreaks();
  }

  Plan plan() {
    return plan;
  }

  /** The tick of the last event. */
  long lastAt() {
    return lastAt;
  }

  /** A person's wish, or all workers' that are left. */
  boolean hasAskedToStop() {
    return stopAsked || (plan.all() && !leaving.isEmpty());
  }

  /** After each delivery. */
  void maybe(State.Phase phase) {
    if (phase == State.Phase.ENDED) {
      return;
    }
    // Saving takes few deliveries, and is where much can go wrong.
    int rarely = phase == State.Phase.SAVING ? 4 : 40;
    boolean mayDie = plan.early() || phase != State.Phase.ASSEMBLING;
    if (kills > 0 && mayDie && draws(rarely)) {
      kills--;
      kill(phase);
    }
    if (hangs > 0 && mayDie && draws(rarely)) {
      hangs--;
      hang(phase);
    }
    if (cuts > 0 && phase == State.Phase.STEPPING && draws(60)) {
      cuts--;
      happened();
      simulation.invariants().partAll();
    }
    if (deaths > 0
        && phase != State.Phase.ASSEMBLING
        && simulation.hasCoordinator()
        && draws(rarely)) {
      deaths--;
      simulation.coordinatorDies();
      happened();
    }
    if (joins > 0 && draws(60)) {
      joins--;
      happened();
      simulation.join();
    }
    if (leaves > 0 && phase == State.Phase.STEPPING && draws(60)) {
      leaves--;
      leave();
    }
    if (lessonBreaks > 0 && draws(40)) {
      breakLesson();
    }
    if (plan.stops() && !stopAsked && draws(100)) {
      stopAsked = true;
      happened();
      simulation.noticed(new Event.StopAsked());
    }
  }

  private boolean draws(int rarely) {
    return simulation.random().nextInt(rarely) == 0;
  }

  private void happened() {
    lastAt = simulation.now();
  }

  // The state lives as long as one of those does that are sure to have it.
  private List<WorkerId> mayDie() {
    return simulation.workers().keySet().stream()
        .filter(id -> !doomed.contains(id))
        .filter(id -> plan.all() || someoneElseIsSure(id))
        .toList();
  }

  private boolean someoneElseIsSure(WorkerId but) {
    return simulation.sure().stream()
        .filter(id -> !mayBeFenced(id))
        .anyMatch(id -> !id.equals(but) && !doomed.contains(id) && !leaving.contains(id));
  }

  private boolean mayBeFenced(WorkerId id) {
    return simulation.isLiar(id) && (plan.liarAtStep() >= 0 || simulation.lies().any());
  }

  private void leave() {
    List<WorkerId> candidates = mayDie().stream().filter(this::someoneElseIsSure).toList();
    if (!candidates.isEmpty()) {
      WorkerId leaver = candidates.get(simulation.random().nextInt(candidates.size()));
      leaving.add(leaver);
      happened();
      simulation.workers().get(leaver).on(new MemberEvent.LeaveAsked());
    }
  }

  private void breakLesson() {
    for (SimulatedWorker worker : simulation.workers().values()) {
      if (worker.breakLesson()) {
        lessonBreaks--;
        happened();
        return;
      }
    }
  }

  private void kill(State.Phase phase) {
    List<WorkerId> candidates = mayDie();
    if (candidates.isEmpty()) {
      return;
    }
    WorkerId dead = candidates.get(simulation.random().nextInt(candidates.size()));
    doom(dead, phase);
    simulation.workers().get(dead).kill();
    simulation.noticed(new Event.Lost(dead, "is gone"));
    simulation.invariants().killed(dead);
  }

  // Its connections stay open: only the coordinator can judge.
  private void hang(State.Phase phase) {
    List<WorkerId> candidates = mayDie();
    if (candidates.isEmpty()) {
      return;
    }
    WorkerId still = candidates.get(simulation.random().nextInt(candidates.size()));
    long lease = 2L * plan.maxDelay();
    long ticks = 1 + simulation.random().nextLong(4 * lease);
    long wakes = simulation.now() + ticks;
    simulation.workers().get(still).hangUntil(wakes);
    if (ticks > lease) {
      doom(still, phase);
      lastAt = simulation.now() + lease;
      simulation.at(lastAt, () -> simulation.noticed(new Event.Lost(still, "has been silent")));
    } else {
      lastAt = wakes;
    }
  }

  private void doom(WorkerId worker, State.Phase phase) {
    happened();
    boolean isLast = !someoneElseIsSure(worker);
    doomed.add(worker);
    if (isLast && phase != State.Phase.ASSEMBLING) {
      comeAnew();
    }
    diedEarly |= phase == State.Phase.ASSEMBLING;
  }

  // As a supervisor has them come.
  private void comeAnew() {
    for (int come = simulation.random().nextInt(3); come >= 0; come--) {
      simulation.later(
          () -> {
            happened();
            simulation.join();
          });
    }
  }

  /** Whoever joins is watched from then on: if it is dead by then, that is said once more. */
  void joined(WorkerId worker) {
    if (doomed.contains(worker) || !simulation.workers().get(worker).isAlive()) {
      simulation.noticed(new Event.Lost(worker, "is gone"));
    }
  }

  /** Whether a stream of parameters breaks now. */
  boolean breaksSave() {
    if (saveBreaks == 0 || simulation.random().nextBoolean()) {
      return false;
    }
    saveBreaks--;
    happened();
    return true;
  }

  /** Whether a worker computes a step wrongly: a bit flips once, or its machine is broken. */
  boolean lies(WorkerId worker, long step) {
    boolean wrong =
        step == plan.liarAtStep() && simulation.isLiar(worker) && (liesAlways() || !lied);
    lied |= wrong;
    return wrong;
  }

  private boolean liesAlways() {
    return plan.liarAtStep() % 2 == 1;
  }

  /** The same of what goes into the sum, so that all members hold the same. */
  boolean liesBeforeTheSum(WorkerId worker, long step) {
    Lies lies = simulation.lies();
    boolean wrong = lies.in(step) && simulation.isLiar(worker) && (lies.always() || !liedBefore);
    liedBefore |= wrong;
    return wrong;
  }

  /** Throws where nothing that happened excuses a failed run. */
  void requireAllowed(String sentence) {
    boolean excused =
        (diedEarly && sentence.startsWith("worker w"))
            || (((lied && liesAlways()) || (liedBefore && simulation.lies().always()))
                && sentence.contains("computes wrongly"));
    Invariants.check(excused, "the run failed: " + sentence);
  }
}
