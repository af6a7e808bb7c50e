package org.dunlin.it.simulation;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.Share;
import org.dunlin.coordinator.step.State;
import org.dunlin.coordinator.step.StepProtocol;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.worker.member.MemberEvent;

/**
 * A whole run: one coordinator, some workers, and a network that delays, reorders and repeats.
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
   */
  record Storm(int maxDelay, double repeatProbability) {
    static final Storm CALM = new Storm(1, 0);
  }

  /** The shape of a run. */
  record Shape(int workers, int slots, int steps, int emptySlots) {}

  private record Delivery(long at, long order, Runnable action) {}

  private static final int MAX_DELIVERIES = 200_000;

  private final SplittableRandom random;
  private final Storm storm;
  private final Shape shape;
  private final StepProtocol protocol;
  private final Map<WorkerId, SimulatedWorker> workers = new TreeMap<>();
  private final PriorityQueue<Delivery> network =
      new PriorityQueue<>(
          (a, b) ->
              a.at() != b.at() ? Long.compare(a.at(), b.at()) : Long.compare(a.order(), b.order()));
  private final Invariants invariants;
  private State state = State.initial();
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
    }
    if (!finished) {
      throw new AssertionError("nothing is under way, yet the run has not finished: " + state);
    }
    return invariants.finalParameters(workers.values(), shape.steps());
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
      case Effect.Save e -> later(() -> coordinator(new Event.Saved(e.steps())));
      case Effect.Dismiss e -> tell(e.worker(), new MemberEvent.Dismissed(TERM, e.reason()));
      case Effect.Finish e -> finished = true;
      case Effect.Fail e -> throw new AssertionError("the run failed: " + e.sentence());
      case Effect.Discard e -> countDiscard();
    }
  }

  private void assign(Effect.Assign assign) {
    invariants.assigned(assign);
    for (Share share : assign.shares()) {
      tell(
          share.worker(),
          new MemberEvent.Assigned(
              TERM, assign.generation(), assign.firstStep(), share.firstSlot(), share.slots()));
      for (long step = assign.firstStep(); step < shape.steps(); step++) {
        feed(share, step);
      }
    }
  }

  private void feed(Share share, long step) {
    StepHeader header = header(step);
    tell(share.worker(), new MemberEvent.Fed(header));
    for (int slot = share.firstSlot(); slot < share.firstSlot() + share.slots(); slot++) {
      if (!header.isEmpty(slot)) {
        SlotBatch batch =
            new SlotBatch(step, slot, slot, 1, 1, new int[][] {{1}, {2}}, new int[][] {{0, 1}}, 1);
        tell(share.worker(), new MemberEvent.Fed(batch));
      }
    }
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
    return new StepHeader(step, 0, 1, firstQuery, samples, new long[samples.length], 2, 2);
  }

  private void tell(WorkerId worker, MemberEvent event) {
    send(() -> workers.get(worker).on(event));
  }
}
