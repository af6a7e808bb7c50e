package org.dunlin.it.simulation;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.CheckpointPlan;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.EvaluationDue;
import org.dunlin.coordinator.step.EvaluationPlan;
import org.dunlin.coordinator.step.EvaluationRecord;
import org.dunlin.coordinator.step.Evaluations;
import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.Past;
import org.dunlin.coordinator.step.RunRecord;
import org.dunlin.coordinator.step.Share;
import org.dunlin.coordinator.step.State;
import org.dunlin.coordinator.step.StepProtocol;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.member.MemberEvent;

/**
 * A whole run: one coordinator, some workers, the {@link Storm} and a network that delays, reorders
 * and repeats.
 *
 * <p>Virtual time is a counter of ticks. A message is delivered after a drawn number of them, so
 * later ones overtake earlier ones; with the storm's probability it is delivered once more, later.
 */
final class Simulation {
  static final Term TERM = new Term(1);

  /**
   * The shape of a run.
   *
   * @param rowsThatFit of a micro-batch, 1 to {@link #ROWS}
   * @param shortFromStep the step from which memory is so short
   */
  record Shape(
      int workers, int slots, int steps, int emptySlots, int rowsThatFit, long shortFromStep) {}

  /**
   * How a run ended.
   *
   * @param failure why it failed, if it did
   * @param steps committed ones
   * @param parameters saved ones' hash; empty if there were none to save
   */
  record Outcome(Optional<String> failure, long steps, Optional<Long> parameters) {}

  /** Rows of a slot's one micro-batch, of as many tokens, before any limit. */
  static final int ROWS = 8;

  private record Feed(long firstStep, List<Share> shares, List<CutRecord> limits) {}

  /** A generation of a term; two terms may use the same number. */
  record Epoch(Term term, Generation generation) {}

  /** A complete checkpoint. */
  private record Stored(CheckpointPoint point, long parameters) {}

  private record Delivery(long at, long order, Runnable action) {}

  /** Messages that follow each other in a step or a new generation, and some repeated ones. */
  private static final int HOPS = 24;

  private static final String SET = "the one set";

  /** Longest delays that an evaluation takes at most. */
  private static final int EVALUATION = 8;

  /** One message in so many may take so many times the longest delay. */
  private static final int LATE_ONE_IN = 16;

  private static final int LATER = 4;

  private static final long STEPS_OF_A_SPEED = 6;

  /** Longest delays after which everybody who lives has come back. */
  private static final long GATHER = 16;

  /** Times as long as other things, where a disk is slow. */
  private static final long SLOW = 20;

  /** Generations that records of short memory and breaks from before the storm's end may cost. */
  private static final int MORE_GENERATIONS = 36;

  private final SplittableRandom random;
  private final Storm storm;
  private final Shape shape;
  private final Minds minds;
  private final EvaluationPlan evaluationPlan;
  private final Lies lies;
  private StepProtocol protocol;
  private final Map<WorkerId, SimulatedWorker> workers = new TreeMap<>();
  private final Set<WorkerId> lost = new TreeSet<>();
  private final Map<Epoch, Feed> feeds = new HashMap<>();
  private final Map<WorkerId, Long> offers = new HashMap<>();
  private final PriorityQueue<Delivery> network =
      new PriorityQueue<>(
          (a, b) ->
              a.at() != b.at() ? Long.compare(a.at(), b.at()) : Long.compare(a.order(), b.order()));
  private final Invariants invariants;
  private final List<CutRecord> records = new ArrayList<>();
  private final List<RunRecord> told = new ArrayList<>(); // all records, as on the disk
  private final Set<Long> spoiled = new TreeSet<>();
  private State state = State.initial();
  private Optional<Outcome> outcome = Optional.empty();
  private Optional<Long> saved = Optional.empty();
  private final List<Runnable> writing = new ArrayList<>();
  private final List<Runnable> meanwhile = new ArrayList<>();
  private final NavigableMap<Long, Stored> stored = new TreeMap<>();
  private Term term = TERM;
  private boolean hasCoordinator = true;
  private long now;
  private long order;
  private int discards;

  Simulation(long seed, Shape shape, Storm.Plan plan) {
    this(seed, shape, plan, Minds.PRODUCTION, EvaluationPlan.NONE, Lies.NONE);
  }

  Simulation(
      long seed,
      Shape shape,
      Storm.Plan plan,
      Minds minds,
      EvaluationPlan evaluationPlan,
      Lies lies) {
    this.random = new SplittableRandom(seed);
    this.storm = new Storm(plan, this);
    this.shape = shape;
    this.minds = minds;
    this.evaluationPlan = evaluationPlan;
    this.lies = lies;
    this.protocol =
        new StepProtocol(
            TERM,
            shape.steps(),
            shape.slots(),
            Admission.closed(shape.workers()),
            0,
            true,
            Past.NONE,
            checkpoints(),
            evaluationPlan,
            lies.audits());
    this.invariants = new Invariants(this, shape.slots());
    for (int w = 0; w < shape.workers(); w++) {
      WorkerId id = new WorkerId("w" + w, 1);
      workers.put(id, new SimulatedWorker(id, this, minds));
    }
  }

  private CheckpointPlan checkpoints() {
    return new CheckpointPlan(storm.plan().checkpointEvery(), false, true, true);
  }

  /** Runs until nothing is under way; throws an AssertionError where that is no allowed outcome. */
  Outcome run() {
    for (WorkerId id : workers.keySet()) {
      noticed(new Event.Joined(id));
    }
    while (!network.isEmpty()) {
      Delivery next = network.poll();
      now = next.at();
      next.action().run();
      storm.maybe(state.phase());
      requireProgress();
      if (network.isEmpty() && waitsForAnybody()) {
        join(); // as a supervisor starts those again that were sent away
      }
    }
    Outcome end =
        outcome.orElseThrow(
            () -> new AssertionError("nothing is under way, yet the run has not ended: " + state));
    end.failure().ifPresentOrElse(storm::requireAllowed, () -> requireWhole(end));
    return end;
  }

  private boolean waitsForAnybody() {
    return state.phase() == State.Phase.REASSEMBLING && state.joined().isEmpty();
  }

  private void requireWhole(Outcome end) {
    invariants.committedExactly(end.steps(), storm.hasAskedToStop());
    if (evaluationPlan.everySteps() > 0) {
      requireMeasured(end.steps());
    } else {
      Invariants.check(
          end.steps() == shape.steps() || storm.hasAskedToStop(),
          "ended early after " + end.steps() + " steps, though nobody asked");
    }
    if (end.parameters().isPresent()) {
      Invariants.check(
          end.parameters().get() == invariants.parametersAfter(end.steps()),
          "saved other parameters than those after " + end.steps() + " steps");
      requireCheckpoint(end.steps());
    } else {
      Invariants.check(
          end.steps() == 0 || (invariants.hasRewound() && storm.hasAskedToStop()),
          "ended without saving anything");
    }
  }

  // A run that a person ended goes on from there, if anybody lived to write that.
  private void requireCheckpoint(long steps) {
    Invariants.check(
        !storm.hasAskedToStop()
            || steps == shape.steps()
            || state.loaded().isEmpty()
            || stored.containsKey(steps)
            || spoiled.contains(steps),
        "ended early after " + steps + " steps, with checkpoints after " + stored.keySet());
  }

  /** What the disk took, the next coordinator finds; what was under way may have got there. */
  void coordinatorDies() {
    hasCoordinator = false;
    for (Runnable write : List.copyOf(writing)) {
      if (random.nextBoolean()) {
        write.run();
      }
    }
    writing.clear();
    for (Runnable write : List.copyOf(meanwhile)) {
      if (random.nextBoolean()) {
        write.run();
      }
    }
    meanwhile.clear();
    term = new Term(term.number() + 1);
    offers.clear();
    later(this::succeed);
  }

  private void succeed() {
    Past past = invariants.past(Evaluations.of(told, SET));
    protocol =
        new StepProtocol(
            term,
            shape.steps(),
            shape.slots(),
            Admission.closed(shape.workers()),
            0,
            true,
            past,
            checkpoints(),
            evaluationPlan,
            lies.audits());
    state = State.after(term, past);
    lost.clear();
    hasCoordinator = true;
    invariants.succeeded();
    Term found = term;
    workers.values().forEach(worker -> send(() -> worker.finds(found)));
    Term of = term;
    at(now + GATHER * storm.plan().maxDelay() * 2, () -> from(of, new Event.RosterWaited()));
  }

  /** Whether a coordinator is there now. */
  boolean hasCoordinator() {
    return hasCoordinator;
  }

  // What was sent to a coordinator that is dead never arrives.
  private void from(Term of, Event event) {
    if (hasCoordinator && of.equals(term)) {
      coordinator(event);
    }
  }

  /** Something that the coordinator of now will notice, if it lives so long. */
  void noticed(Event event) {
    Term of = term;
    send(() -> from(of, event));
  }

  // Of one life: who was lost since does not come again by a repeated word.
  private void introduced(Event event) {
    Term of = term;
    later(() -> from(of, event));
  }

  Term term() {
    return term;
  }

  Invariants invariants() {
    return invariants;
  }

  SplittableRandom random() {
    return random;
  }

  Map<WorkerId, SimulatedWorker> workers() {
    return workers;
  }

  long now() {
    return now;
  }

  int discards() {
    return discards;
  }

  void countDiscard() {
    discards++;
  }

  /** Whether the coordinator goes on without a worker. */
  boolean isLost(WorkerId worker) {
    return lost.contains(worker);
  }

  /** Hands a message to the network. */
  void send(Runnable action) {
    deliver(action);
    if (random.nextDouble() < storm.plan().repeatProbability()) {
      deliver(action);
    }
  }

  // Few are very late.
  private void deliver(Runnable action) {
    int most = storm.plan().maxDelay() * (random.nextInt(LATE_ONE_IN) == 0 ? LATER : 1);
    at(now + 1 + random.nextInt(most), action);
  }

  /** Lets something of one's own happen later, exactly once. */
  void later(Runnable action) {
    at(now + delay(), action);
  }

  /** Whether the coordinator has a worker in the run. */
  boolean counts(WorkerId worker) {
    return state.joined().contains(worker);
  }

  /** By a disk, which may lag some steps behind. */
  void slowly(Runnable action) {
    long ticks = delay();
    at(now + (random.nextInt(4) == 0 ? SLOW * ticks : ticks), action);
  }

  /** Ticks of something that takes its time. */
  long delay() {
    return 1L + random.nextInt(storm.plan().maxDelay());
  }

  void at(long tick, Runnable action) {
    network.add(new Delivery(tick, order++, action));
  }

  /** A worker's message; one of a worker that is lost to the coordinator need not arrive. */
  void tellCoordinator(WorkerId worker, Event event) {
    boolean introduces = event instanceof Event.Joined || event instanceof Event.Returned;
    if (introduces) {
      if (workers.get(worker).found().equals(term)) {
        introduced(event);
      }
    } else if (!mayVanish(worker)) {
      noticed(event);
    }
  }

  // What a dead coordinator sent last may get lost with it.
  private void tell(WorkerId worker, MemberEvent event) {
    Term of = term;
    if (!mayVanish(worker)) {
      send(
          () -> {
            if (of.equals(term) || random.nextBoolean()) {
              workers.get(worker).on(event);
            }
          });
    }
  }

  private void teach(Effect.Teach teach) {
    WorkerId learner = teach.learner();
    int shares = teach.teachers().size();
    tell(learner, new MemberEvent.LearnAsked(term, teach.lesson(), teach.generation(), shares));
    for (int share = 0; share < shares; share++) {
      WorkerId teacher = teach.teachers().get(share);
      MemberEvent.TeachAsked asked =
          new MemberEvent.TeachAsked(term, teach.lesson(), share, shares);
      if (!mayVanish(teacher)) {
        send(() -> workers.get(teacher).teach(asked, learner));
      }
    }
  }

  /** Who belonged to a generation, as its members know. */
  List<WorkerId> roster(Optional<Term> of, Generation generation) {
    Feed feed = feeds.get(new Epoch(of.orElse(TERM), generation));
    return feed == null ? List.of() : feed.shares().stream().map(Share::worker).toList();
  }

  /** Another worker comes, or one that died comes again. */
  void join() {
    WorkerId id = new WorkerId("w" + workers.size(), 1);
    workers.put(id, new SimulatedWorker(id, this, minds));
    noticed(new Event.Joined(id));
  }

  /** Workers from which the state can be had. */
  List<WorkerId> sure() {
    return state.phase() == State.Phase.ASSEMBLING
        ? List.copyOf(workers.keySet())
        : state.teachers().stream().filter(id -> !state.leaving().contains(id)).toList();
  }

  private boolean mayVanish(WorkerId worker) {
    return lost.contains(worker) && random.nextDouble() < storm.plan().lossProbability();
  }

  void coordinator(Event event) {
    if (event instanceof Event.Lost gone && state.joined().contains(gone.worker())) {
      lost.add(gone.worker());
    }
    if (event instanceof Event.Joined joined) {
      storm.joined(joined.worker());
    }
    if (event instanceof Event.Returned returned) {
      storm.joined(returned.worker());
    }
    boolean gathers = state.phase() == State.Phase.GATHERING;
    StepProtocol.Decision decision = minds.coordinator(protocol, state, event);
    state = decision.next();
    decision.effects().forEach(this::carryOut);
    for (Effect effect : decision.effects()) {
      if (gathers && effect instanceof Effect.FindCheckpoint) {
        invariants.nobodyReturned();
      }
      if (effect instanceof Effect.Dismiss sent && outcome.isEmpty()) {
        invariants.dismissed(sent.worker());
      }
    }
  }

  private void carryOut(Effect effect) {
    switch (effect) {
      case Effect.Welcome e -> tell(e.worker(), new MemberEvent.Welcomed(term, state.step()));
      case Effect.Teach e -> teach(e);
      case Effect.Ledger e ->
          write(
              () -> {
                e.due().ifPresent(point -> told.add(new EvaluationDue(point)));
                invariants.ledgered(e.step(), e.generation());
              },
              new Event.Ledgered(e.step(), false));
      case Effect.Recognize e -> tell(e.worker(), new MemberEvent.Recognized(term));
      case Effect.AwaitRoster e -> {
        Term of = term;
        at(now + GATHER * storm.plan().maxDelay(), () -> from(of, new Event.RosterWaited()));
      }
      case Effect.Assign e -> assign(e);
      case Effect.Commit e -> {
        invariants.committed(e.step(), e.generation());
        for (WorkerId member : e.members()) {
          tell(member, new MemberEvent.Committed(term, e.generation(), e.step()));
        }
      }
      case Effect.Snapshot e -> {
        for (int share = 0; share < e.writers().size(); share++) {
          tell(
              e.writers().get(share),
              new MemberEvent.CheckpointAsked(
                  term, e.number(), e.steps(), share, e.writers().size()));
        }
      }
      case Effect.WriteManifest e -> writeManifest(e);
      case Effect.Abandon e -> {}
      case Effect.KeepCheckpoints e -> {}
      case Effect.Measure e -> measure(e);
      case Effect.LeaveUnmeasured e -> leaveUnmeasured(e);
      case Effect.FindCheckpoint e -> {
        invariants.allLost();
        findCheckpoint();
      }
      case Effect.Renounce e -> {
        invariants.renounced(e.fromStep(), e.generation());
        stored.tailMap(e.fromStep(), false).clear();
      }
      case Effect.Rewind e -> invariants.rewound(e.point().steps());
      case Effect.AskState e -> tell(e.worker(), new MemberEvent.StateAsked(term, e.steps()));
      case Effect.Save e -> {
        Term of = term;
        later(() -> save(of, e));
      }
      case Effect.Wait e -> {
        Term of = term;
        later(() -> from(of, new Event.Waited(e.generation())));
      }
      case Effect.Write e ->
          write(
              () -> {
                records.add(e.cut());
                told.add(e.cut());
              },
              new Event.Recorded(e.cut()));
      case Effect.Miss e -> {}
      case Effect.Note e -> {}
      case Effect.Park e -> tell(e.worker(), new MemberEvent.Parked(term, e.reason()));
      case Effect.Dismiss e -> tell(e.worker(), new MemberEvent.Dismissed(term, e.reason(), false));
      case Effect.Refuse e -> {
        Invariants.check(
            isLiar(e.worker()) || !e.reason().contains("computes wrongly"),
            e.worker() + " is fenced out, yet computed rightly");
        tell(e.worker(), new MemberEvent.Dismissed(term, e.reason(), true));
      }
      case Effect.Finish e -> end(new Outcome(Optional.empty(), e.steps(), saved));
      case Effect.Fail e ->
          end(new Outcome(Optional.of(e.sentence()), state.step(), Optional.empty()));
      case Effect.Discard e -> countDiscard();
    }
  }

  // The figure is drawn by the parameters that the checkpoint has; a dead coordinator's is lost.
  private void measure(Effect.Measure measure) {
    Term of = term;
    long steps = measure.steps();
    Invariants.check(
        stored.containsKey(steps) || spoiled.contains(steps),
        "measures a checkpoint after " + steps + " steps that is not there");
    double figure = stored.containsKey(steps) ? figure(stored.get(steps).parameters()) : Double.NaN;
    long takes = 1L + random.nextInt(EVALUATION * storm.plan().maxDelay());
    at(
        now + takes,
        () -> {
          boolean isWanted =
              hasCoordinator && of.equals(term) && state.evaluations().isUnderWay(measure.number());
          if (isWanted) {
            writeMeanwhile(
                () -> told.add(new EvaluationRecord(steps, SET, figure)),
                new Event.Measured(measure.number(), steps, figure));
          }
        });
  }

  // No disk fails here, but all that held the state may be gone, and those that learn are behind.
  private void leaveUnmeasured(Effect.LeaveUnmeasured unmeasured) {
    long steps = unmeasured.steps();
    Invariants.check(
        unmeasured.why().contains("holds the state after"),
        "step %d is left unmeasured: %s".formatted(steps, unmeasured.why()));
    spoiled.add(steps);
    writeMeanwhile(
        () -> told.add(new EvaluationRecord(steps, SET, Double.NaN)),
        new Event.Measured(unmeasured.number(), steps, Double.NaN));
  }

  private static double figure(long parameters) {
    return Math.floorMod(parameters, 5) / 5.0;
  }

  // Told anew from the parameters alone: where a calm run would stop, this one has.
  private void requireMeasured(long end) {
    Map<Long, Double> figures = Evaluations.of(told, SET).figures();
    double best = -1;
    long inVain = 0;
    boolean stops = false;
    for (long steps = 1; steps <= end; steps++) {
      boolean measured = steps % evaluationPlan.everySteps() == 0 || steps == shape.steps();
      if (!measured) {
        continue;
      }
      Invariants.check(!stops, "went on after " + steps + " steps, though nothing got better");
      stops = evaluationPlan.patience() > 0 && inVain >= evaluationPlan.patience();
      Double found = figures.get(steps);
      if (found == null) {
        Invariants.check(
            (storm.hasAskedToStop() && steps + evaluationPlan.everySteps() > end)
                || (steps == end && storm.plan().all()), // all died after the model was saved
            "has no figure after " + steps + " steps");
        continue;
      }
      double expected = figure(invariants.parametersAfter(steps));
      Invariants.check(
          found == expected || (found.isNaN() && spoiled.contains(steps)),
          "has another figure after " + steps + " steps");
      if (found > best) {
        best = found;
        inVain = 0;
      } else if (!found.isNaN()) {
        inVain++;
      }
    }
    Invariants.check(
        stops || end == shape.steps() || storm.hasAskedToStop(),
        "ended early after " + end + " steps, though nobody asked");
  }

  // Of its parts nothing may be missing, and all must be of the same state.
  private void writeManifest(Effect.WriteManifest manifest) {
    long steps = manifest.point().steps();
    long parameters = invariants.checkpoint(steps, manifest.parts());
    writeMeanwhile(
        () -> {
          if (parameters == invariants.parametersAfter(steps)) { // not of renounced steps
            stored.put(steps, new Stored(manifest.point(), parameters));
          }
        },
        new Event.CheckpointWritten(steps));
  }

  // As write does, while steps and generations go on.
  private void writeMeanwhile(Runnable durable, Event known) {
    Term of = term;
    meanwhile.add(durable);
    later(
        () -> {
          if (meanwhile.remove(durable)) {
            durable.run();
            from(of, known);
          }
        });
  }

  // The disk may have spoiled the newest.
  private void findCheckpoint() {
    Term of = term;
    later(
        () -> {
          if (!stored.isEmpty() && random.nextInt(8) == 0) {
            spoiled.add(stored.pollLastEntry().getKey());
          }
          CheckpointPoint newest =
              stored.isEmpty()
                  ? new CheckpointPoint(0, new Scalars(0, 1, 0), 0, 0)
                  : stored.lastEntry().getValue().point();
          from(of, new Event.CheckpointFound(newest));
        });
  }

  /** The parameters in a checkpoint, or the first ones. */
  long stored(long steps) {
    return steps == 0 ? Invariants.INITIAL_PARAMETERS : stored.get(steps).parameters();
  }

  private void end(Outcome how) {
    Invariants.check(outcome.isEmpty(), "ended twice");
    outcome = Optional.of(how);
  }

  // Once nothing more befalls it, a run ends soon.
  private void requireProgress() {
    long limit =
        (long) storm.plan().maxDelay()
            * HOPS
            * (2L * shape.steps() + MORE_GENERATIONS + storm.plan().saveBreaks() + audits());
    Invariants.check(
        outcome.isPresent() || now - storm.lastAt() <= limit,
        "has not ended %d ticks after the storm (expected: at most %d)"
            .formatted(now - storm.lastAt(), limit));
  }

  // Each audited step is computed once more, and some to find who computes wrongly.
  private long audits() {
    return lies.audits().every() == 0 ? 0 : 2L * shape.steps() + MORE_GENERATIONS;
  }

  // Durable, and then known; both or neither if the coordinator dies meanwhile, or only the first.
  private void write(Runnable durable, Event known) {
    Term of = term;
    writing.add(durable);
    later(
        () -> {
          if (writing.remove(durable)) {
            durable.run();
            from(of, known);
          }
        });
  }

  /** A worker's parameters are on their way. */
  void offered(WorkerId worker, Term term, long steps, long parameters) {
    offers.put(worker, parameters);
    tellCoordinator(worker, new Event.Offered(worker, term, steps));
  }

  // A stream breaks with its sender, and sometimes without.
  private void save(Term of, Effect.Save save) {
    if (!of.equals(term) || !hasCoordinator) {
      return;
    }
    if (!workers.get(save.worker()).isAlive() || storm.breaksSave()) {
      coordinator(new Event.SaveFailed(save.worker(), "the stream broke"));
      return;
    }
    saved = Optional.of(offers.get(save.worker()));
    coordinator(new Event.Saved(save.steps()));
  }

  private void assign(Effect.Assign assign) {
    invariants.assigned(assign);
    Invariants.check(writing.isEmpty(), "a generation begins before its record is durable");
    feeds.put(
        new Epoch(term, assign.generation()),
        new Feed(assign.firstStep(), assign.shares(), limit()));
    for (Share share : assign.shares()) {
      Invariants.check(!lost.contains(share.worker()), share.worker() + " is lost, yet a member");
      tell(
          share.worker(),
          new MemberEvent.Assigned(
              term,
              assign.generation(),
              assign.firstStep(),
              share.firstSlot(),
              share.slots(),
              assign.recompute()));
    }
  }

  /** A member opens its generation's stream. */
  void feed(WorkerId worker, Term of, Generation generation) {
    Feed feed = feeds.get(new Epoch(of, generation));
    for (Share share : feed.shares()) {
      if (share.worker().equals(worker)) {
        for (long step = feed.firstStep(); step < shape.steps(); step++) {
          feed(share, generation, step, feed.limits());
        }
      }
    }
  }

  private void feed(Share share, Generation generation, long step, List<CutRecord> limits) {
    StepHeader header = header(step);
    tell(share.worker(), new MemberEvent.Fed(generation, header));
    for (int slot = share.firstSlot(); slot < share.firstSlot() + share.slots(); slot++) {
      if (!header.isEmpty(slot)) {
        tell(share.worker(), new MemberEvent.Fed(generation, batch(step, slot, limits)));
      }
    }
  }

  private List<CutRecord> limit() {
    return List.copyOf(records);
  }

  private static SlotBatch batch(long step, int slot, List<CutRecord> limits) {
    int most = ROWS;
    for (CutRecord record : limits) {
      if (step >= record.fromStep()) {
        most = Math.min(most, record.limit().mostTokens() / ROWS);
      }
    }
    int rows = most;
    int[][] cut =
        IntStream.iterate(0, from -> from < ROWS, from -> from + rows)
            .mapToObj(from -> IntStream.range(from, Math.min(ROWS, from + rows)).toArray())
            .toArray(int[][]::new);
    int[][] texts = new int[ROWS][ROWS];
    return new SlotBatch(step, slot, slot, 1, ROWS - 1, texts, cut, 1);
  }

  /** Whether a micro-batch of so many rows fits in a step; every second worker is a large one. */
  boolean fits(WorkerId worker, long step, int rows) {
    boolean large = Integer.parseInt(worker.name().substring(1)) % 2 == 1;
    return large || step < shape.shortFromStep() || rows <= shape.rowsThatFit();
  }

  /** Whether a worker's machine may compute wrongly: of those that begin, the last one's. */
  boolean isLiar(WorkerId worker) {
    return worker.name().equals("w" + (shape.workers() - 1));
  }

  /** The checksum that a worker reports: its own, or that of a machine that computes wrongly. */
  long reported(WorkerId worker, long step, long checksum) {
    return state.shares().size() > 1 && storm.lies(worker, step) ? checksum + 1 : checksum;
  }

  /** What a worker's machine makes of a slot of a step that it computes together with others. */
  Leaf computed(WorkerId worker, long step, int members, Leaf right) {
    return members > 1 && storm.liesBeforeTheSum(worker, step) ? right.wrong(lies.stage()) : right;
  }

  Lies lies() {
    return lies;
  }

  /** Another worker is the slow one every few steps, so that slots move. */
  double busyMs(WorkerId worker, long step, int ownSlots) {
    long turn = Integer.parseInt(worker.name().substring(1)) + step / STEPS_OF_A_SPEED;
    return ownSlots * (10.0 + 40 * (turn % workers.size()));
  }

  /** Slots of a step that are not empty. */
  int presentSlots(long step) {
    return shape.slots() - emptySlots(step);
  }

  /** A calm run that has these records from the beginning must end in the same parameters. */
  List<CutRecord> records() {
    return records;
  }

  Simulation with(List<CutRecord> known) {
    records.addAll(known);
    return this;
  }

  // The last step's batch is short: its trailing slots are empty.
  private int emptySlots(long step) {
    return step == shape.steps() - 1 ? shape.emptySlots() : 0;
  }

  private StepHeader header(long step) {
    int empty = emptySlots(step);
    int[] firstQuery = new int[shape.slots() + 1];
    List<Long> ids = new ArrayList<>();
    for (int slot = 0; slot < shape.slots(); slot++) {
      boolean full = slot < shape.slots() - empty;
      firstQuery[slot + 1] = firstQuery[slot] + (full ? 1 : 0);
      if (full) {
        ids.add(step * shape.slots() + slot);
      }
    }
    long[] samples = ids.stream().mapToLong(Long::longValue).toArray();
    return new StepHeader(
        step, 0, ROWS - 1, firstQuery, samples, new long[samples.length * (ROWS - 1)], 2, 2);
  }
}
