package org.dunlin.it.simulation;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.Share;
import org.dunlin.coordinator.step.State;
import org.dunlin.coordinator.step.StepProtocol;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.worker.member.MemberEvent;

/**
 * A whole run: one coordinator, some workers that may be killed or short of memory, and a network
 * that delays, reorders and repeats.
 *
 * <p>Virtual time is a counter of ticks. A message is delivered after a drawn number of them, so
 * later ones overtake earlier ones; with the storm's probability it is delivered once more, later.
 */
final class Simulation {
  static final Term TERM = new Term(1);

  /**
   * What the storm may do.
   *
   * @param maxDelay ticks, at least 1
   * @param repeatProbability of delivering a message a second time
   * @param kills workers that die, never the last one
   * @param cuts connections between living members that break
   */
  record Storm(int maxDelay, double repeatProbability, int kills, int cuts) {
    static final Storm CALM = new Storm(1, 0, 0, 0);
  }

  /**
   * The shape of a run.
   *
   * @param rowsThatFit of a micro-batch, 1 to {@link #ROWS}
   * @param shortFromStep the step from which memory is so short
   */
  record Shape(
      int workers, int slots, int steps, int emptySlots, int rowsThatFit, long shortFromStep) {}

  /** Rows of a slot's one micro-batch, of as many tokens, before any limit. */
  static final int ROWS = 8;

  private record Feed(long firstStep, List<Share> shares, List<CutRecord> limits) {}

  private record Delivery(long at, long order, Runnable action) {}

  private static final int MAX_DELIVERIES = 200_000;

  private final SplittableRandom random;
  private final Storm storm;
  private final Shape shape;
  private final StepProtocol protocol;
  private final Map<WorkerId, SimulatedWorker> workers = new TreeMap<>();
  private final Map<Generation, Feed> feeds = new TreeMap<>();
  private final PriorityQueue<Delivery> network =
      new PriorityQueue<>(
          (a, b) ->
              a.at() != b.at() ? Long.compare(a.at(), b.at()) : Long.compare(a.order(), b.order()));
  private final Invariants invariants;
  private final List<CutRecord> records = new ArrayList<>();
  private State state = State.initial();
  private int kills;
  private int cuts;
  private long now;
  private long order;
  private boolean finished;
  private int discards;

  Simulation(long seed, Shape shape, Storm storm) {
    this.random = new SplittableRandom(seed);
    this.storm = storm;
    this.shape = shape;
    this.protocol = new StepProtocol(TERM, shape.steps(), shape.slots(), shape.workers(), 0);
    this.invariants = new Invariants(shape.slots());
    this.kills = storm.kills();
    this.cuts = storm.cuts();
    for (int w = 0; w < shape.workers(); w++) {
      WorkerId id = new WorkerId("w" + w, 1);
      workers.put(id, new SimulatedWorker(id, this));
    }
  }

  /** Runs to the end; returns the hash of the final parameters, the same on every worker. */
  long run() {
    for (WorkerId id : workers.keySet()) {
      send(() -> coordinator(new Event.Joined(id)));
    }
    int deliveries = 0;
    while (!network.isEmpty()) {
      if (++deliveries > MAX_DELIVERIES) {
        throw new AssertionError("not finished after " + deliveries + " deliveries: " + state);
      }
      Delivery next = network.poll();
      now = next.at();
      next.action().run();
      maybeKill();
      maybeCut();
    }
    if (!finished) {
      throw new AssertionError("nothing is under way, yet the run has not finished: " + state);
    }
    return invariants.finalParameters(workers.values(), shape.steps());
  }

  private void maybeKill() {
    List<WorkerId> alive = workers.keySet().stream().filter(this::isAlive).toList();
    if (kills == 0
        || alive.size() < 2
        || state.phase() == State.Phase.ASSEMBLING
        || random.nextInt(40) > 0) {
      return;
    }
    kills--;
    WorkerId dead = alive.get(random.nextInt(alive.size()));
    workers.get(dead).kill();
    send(() -> coordinator(new Event.Lost(dead, "is gone")));
    invariants.killed(this, dead);
  }

  private void maybeCut() {
    if (cuts > 0 && state.phase() == State.Phase.STEPPING && random.nextInt(60) == 0) {
      cuts--;
      invariants.partAll(this);
    }
  }

  boolean isAlive(WorkerId worker) {
    return workers.get(worker).isAlive();
  }

  int discards() {
    return discards;
  }

  Invariants invariants() {
    return invariants;
  }

  SplittableRandom random() {
    return random;
  }

  /** Hands a message to the network. */
  void send(Runnable action) {
    enqueue(action);
    if (random.nextDouble() < storm.repeatProbability()) {
      enqueue(action);
    }
  }

  /** Lets something of one's own happen later, exactly once. */
  void later(Runnable action) {
    enqueue(action);
  }

  private void enqueue(Runnable action) {
    network.add(new Delivery(now + 1 + random.nextInt(storm.maxDelay()), order++, action));
  }

  void coordinator(Event event) {
    StepProtocol.Decision decision = protocol.next(state, event);
    state = decision.next();
    decision.effects().forEach(this::carryOut);
  }

  void countDiscard() {
    discards++;
  }

  private void carryOut(Effect effect) {
    switch (effect) {
      case Effect.Welcome e -> tell(e.worker(), new MemberEvent.Welcomed(TERM));
      case Effect.Assign e -> assign(e);
      case Effect.Commit e -> {
        invariants.committed(e.step(), e.generation());
        for (WorkerId id : workers.keySet()) {
          tell(id, new MemberEvent.Committed(TERM, e.generation(), e.step()));
        }
      }
      case Effect.AskState e -> tell(e.worker(), new MemberEvent.StateAsked(TERM, e.steps()));
      case Effect.Save e -> later(() -> save(e));
      case Effect.Wait e -> later(() -> coordinator(new Event.Waited(e.generation())));
      case Effect.Write e ->
          later(
              () -> {
                records.add(e.cut());
                coordinator(new Event.Recorded(e.cut()));
              });
      case Effect.Miss e -> {}
      case Effect.Dismiss e -> tell(e.worker(), new MemberEvent.Dismissed(TERM, e.reason()));
      case Effect.Finish e -> finished = true;
      case Effect.Fail e -> throw new AssertionError("the run failed: " + e.sentence());
      case Effect.Discard e -> countDiscard();
    }
  }

  // A stream that breaks with its sender.
  private void save(Effect.Save save) {
    coordinator(
        isAlive(save.worker())
            ? new Event.Saved(save.steps())
            : new Event.SaveFailed(save.worker(), "the stream broke"));
  }

  private void assign(Effect.Assign assign) {
    invariants.assigned(assign);
    feeds.put(assign.generation(), new Feed(assign.firstStep(), assign.shares(), limit()));
    for (Share share : assign.shares()) {
      tell(
          share.worker(),
          new MemberEvent.Assigned(
              TERM, assign.generation(), assign.firstStep(), share.firstSlot(), share.slots()));
    }
  }

  /** A member opens its generation's stream. */
  void feed(WorkerId worker, Generation generation) {
    Feed feed = feeds.get(generation);
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

  /** Whether a micro-batch of so many rows fits in a step. */
  boolean fits(long step, int rows) {
    return step < shape.shortFromStep() || rows <= shape.rowsThatFit();
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
  private StepHeader header(long step) {
    int empty = step == shape.steps() - 1 ? shape.emptySlots() : 0;
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

  private void tell(WorkerId worker, MemberEvent event) {
    send(() -> workers.get(worker).on(event));
  }
}
