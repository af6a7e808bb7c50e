package org.dunlin.it.simulation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.Evaluations;
import org.dunlin.coordinator.step.Past;
import org.dunlin.coordinator.step.Share;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.SlotDigest;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.worker.member.MemberEffect;
import org.dunlin.worker.member.MemberEvent;

/**
 * What must hold after every event, and the make-believe data plane: a step's reduced gradient is
 * the hash of its slots' hashes in the fixed tree, so a wrong order or a lost slot changes it.
 */
final class Invariants {
  /** One generation: who belongs to it, and who is where in it. */
  private static final class Together {
    private final Simulation.Epoch epoch;
    private final Set<WorkerId> members = new TreeSet<>();
    private final Map<WorkerId, SimulatedWorker> waiting = new TreeMap<>();
    private final Map<WorkerId, Runnable> arrived = new TreeMap<>();
    private final Map<WorkerId, StepResult> prepared = new TreeMap<>();
    private final TreeMap<Integer, Leaf> leaves = new TreeMap<>();
    private final Map<Integer, Leaf> right = new TreeMap<>();
    private final Map<Integer, List<Leaf>> kept = new TreeMap<>();
    private Map<Integer, SlotDigest> digests = Map.of();
    private boolean parted;

    Together(Simulation.Epoch epoch) {
      this.epoch = epoch;
    }
  }

  static final long INITIAL_PARAMETERS = 17;

  private final Simulation simulation;
  private final int slots;
  private final TreeMap<Simulation.Epoch, Together> generations =
      new TreeMap<>(
          Comparator.comparing(Simulation.Epoch::term).thenComparing(Simulation.Epoch::generation));
  private final TreeMap<Long, Long> committed = new TreeMap<>();
  private final Set<Long> renounced = new HashSet<>(); // hashes of steps and what they were
  private final Map<Long, Long> contents = new HashMap<>();
  private final Map<Long, Long> truths = new HashMap<>();
  private final Map<Long, Simulation.Epoch> ledger = new HashMap<>();
  private boolean succeeds;
  private boolean rewinds;
  private Generation since = new Generation(0);
  private long next;
  private Generation newest = new Generation(0);

  Invariants(Simulation simulation, int slots) {
    this.simulation = simulation;
    this.slots = slots;
  }

  void assigned(Effect.Assign assign) {
    check(assign.generation().compareTo(newest) > 0, "generation goes back");
    // Where nobody holds the last step any more, a new coordinator has it computed once more; in a
    // run that went back, those that it has not computed again.
    boolean again =
        succeeds
            && assign.firstStep() < committed.size()
            && (rewinds || assign.firstStep() == committed.size() - 1);
    check(again || assign.firstStep() == next, "a generation skips or repeats a step");
    next = assign.firstStep();
    succeeds = false;
    newest = assign.generation();
    Simulation.Epoch epoch = new Simulation.Epoch(simulation.term(), newest);
    Together together = new Together(epoch);
    Set<Integer> owned = new HashSet<>();
    for (Share share : assign.shares()) {
      together.members.add(share.worker());
      for (int slot = share.firstSlot(); slot < share.firstSlot() + share.slots(); slot++) {
        check(owned.add(slot), "slot " + slot + " has two owners");
      }
    }
    check(owned.size() == slots, "only " + owned.size() + " of " + slots + " slots have an owner");
    generations.put(epoch, together);
  }

  /** A coordinator goes back because no worker of an earlier one came to it. */
  void nobodyReturned() {
    generations.values().stream()
        .flatMap(together -> together.members.stream())
        .map(simulation.workers()::get)
        .forEach(member -> check(!member.isWaiting(), member.id() + " was not waited for"));
  }

  /**
   * Nobody is sent away from a run that goes on while the others wait for what it computes. A dead
   * coordinator's generation is over, and who never heard of it may not know that it was a member.
   */
  void dismissed(WorkerId worker) {
    boolean needed =
        !generations.isEmpty()
            && generations.lastKey().term().equals(simulation.term())
            && generations.lastEntry().getValue().members.contains(worker);
    check(!needed, worker + " is sent away, yet a member");
  }

  /** A member is there; all go on once all are. */
  void meeting(SimulatedWorker worker, Term term, Generation generation) {
    arrive(
        worker,
        new Simulation.Epoch(term, generation),
        () -> worker.on(new MemberEvent.Met(generation)));
  }

  /** A member's slots are computed; its peers' continuation runs once all members are there. */
  void computing(
      SimulatedWorker worker, Term term, MemberEffect.Compute compute, Runnable continuation) {
    Simulation.Epoch epoch = new Simulation.Epoch(term, compute.generation());
    long step = compute.header().step();
    check(step == worker.applied(), worker.id() + " computes " + step + " on other parameters");
    Together together = generations.get(epoch);
    worker.kept(compute.recompute()).forEach((slot, leaf) -> keep(together, slot, leaf));
    for (SlotBatch batch : compute.own()) {
      Leaf leaf = worker.compute(batch, together.members.size());
      check(
          together.leaves.put(batch.slot(), leaf) == null,
          "slot " + batch.slot() + " summed twice");
      together.right.put(batch.slot(), Leaf.of(batch, worker.parameters()));
    }
    arrive(worker, epoch, continuation);
  }

  private static void keep(Together together, int slot, Leaf leaf) {
    together.kept.computeIfAbsent(slot, first -> new ArrayList<>()).add(leaf);
  }

  // As members' claims say: a slot stays with one that has it.
  private static Leaf claimed(Together together, int slot, Leaf own) {
    List<Leaf> same =
        together.kept.getOrDefault(slot, List.of()).stream()
            .filter(leaf -> leaf.key() == own.key())
            .toList();
    return same.isEmpty() || same.contains(own) ? own : same.get(0);
  }

  private void arrive(SimulatedWorker worker, Simulation.Epoch epoch, Runnable then) {
    Together together = generations.get(epoch);
    Generation generation = epoch.generation();
    check(together.members.contains(worker.id()), worker.id() + " is no member");
    if (together.parted) {
      worker.parted(generation);
      return;
    }
    check(together.arrived.put(worker.id(), then) == null, worker.id() + " computes twice");
    together.waiting.put(worker.id(), worker);
    if (together.arrived.size() == together.members.size()) {
      together.waiting.forEach(
          (id, there) -> {
            Runnable released = together.arrived.get(id);
            simulation.later(
                () -> {
                  // A collective that succeeds for some may break for others.
                  if (together.parted && simulation.random().nextBoolean()) {
                    there.parted(generation);
                  } else {
                    released.run();
                  }
                });
          });
      together.arrived.clear();
      together.waiting.clear();
    }
  }

  /** A member died: nobody of its generations is answered any more. */
  void killed(WorkerId worker) {
    generations.values().stream().filter(t -> t.members.contains(worker)).forEach(this::part);
  }

  /** A member closes its connections of older generations. */
  void brokenOff(WorkerId worker, Term term, Generation next) {
    generations.headMap(new Simulation.Epoch(term, next)).values().stream()
        .filter(t -> t.members.contains(worker))
        .forEach(this::part);
  }

  /** The newest generation's connections break. */
  void partAll() {
    generations.values().stream().skip(Math.max(0, generations.size() - 1)).forEach(this::part);
  }

  private void part(Together together) {
    together.parted = true;
    together.arrived.clear();
    together.waiting.values().forEach(worker -> worker.parted(together.epoch.generation()));
    together.waiting.clear();
  }

  /** The root of the tree over the step's present slots. */
  long reduced(Term term, Generation generation, long step) {
    Simulation.Epoch epoch = new Simulation.Epoch(term, generation);
    Together together = generations.get(epoch);
    long root = contents.getOrDefault(place(epoch, step), 0L);
    if (root == 0) {
      check(
          together.leaves.size() == simulation.presentSlots(step),
          "step %d holds %d slots (expected: %d)"
              .formatted(step, together.leaves.size(), simulation.presentSlots(step)));
      together.leaves.replaceAll((slot, own) -> claimed(together, slot, own));
      together.digests = Leaf.digests(together.leaves);
      root = node(together.leaves, 1);
      truths.put(place(epoch, step), node(together.right, 1));
      together.leaves.clear();
      together.right.clear();
      together.kept.clear();
      contents.put(place(epoch, step), root);
    }
    return root;
  }

  /** Of the step that a generation has computed last. */
  SlotDigest digest(Term term, Generation generation, int slot) {
    return generations.get(new Simulation.Epoch(term, generation)).digests.get(slot);
  }

  private long node(Map<Integer, Leaf> leaves, int node) {
    if (node >= slots) {
      return Optional.ofNullable(leaves.get(node - slots)).map(Leaf::sum).orElse(0L);
    }
    long left = node(leaves, 2 * node);
    long right = node(leaves, 2 * node + 1);
    return left == 0 ? right : right == 0 ? left : hash(left, right);
  }

  void prepared(WorkerId worker, Term term, MemberEffect.TellPrepared effect) {
    generations
        .get(new Simulation.Epoch(term, effect.generation()))
        .prepared
        .put(worker, effect.result());
  }

  /** The ledger has it: from then on the step counts. */
  void ledgered(long step, Generation generation) {
    check(generation.equals(newest), "step " + step + " counts in an older generation");
    Simulation.Epoch epoch = new Simulation.Epoch(simulation.term(), generation);
    Together together = generations.get(epoch);
    List<Long> checksums =
        together.prepared.values().stream()
            .filter(result -> result.step() == step)
            .map(StepResult::checksum)
            .toList();
    check(
        checksums.size() == together.members.size(),
        "step %d counts while only %d of %d are prepared"
            .formatted(step, checksums.size(), together.members.size()));
    check(Set.copyOf(checksums).size() == 1, "step " + step + " counts with two contents");
    Long content = contents.get(place(epoch, step));
    check(content != null, "step " + step + " counts, but was reduced in another generation");
    check(
        content.equals(truths.get(place(epoch, step))),
        "step " + step + " counts with what a machine computed wrongly");
    Long before = committed.get(step);
    check(before == null || before.equals(content), "step " + step + " counts with two contents");
    check(
        before != null || step == committed.size(),
        "step " + step + " counts after " + committed.size());
    committed.put(step, content);
    ledger.put(step, epoch);
  }

  void committed(long step, Generation generation) {
    check(
        new Simulation.Epoch(simulation.term(), generation).equals(ledger.get(step)),
        "step " + step + " committed before it was durable");
    next = step + 1;
  }

  /** What a new coordinator reads. */
  Past past(Evaluations evaluations) {
    return committed.isEmpty()
        ? Past.NONE
        : new Past(committed.size(), committed.lastEntry().getValue(), 0, 0, since, evaluations);
  }

  void succeeded() {
    succeeds = true;
    next = committed.size();
    newest = new Generation(0);
  }

  private static long place(Simulation.Epoch epoch, long step) {
    return hash(hash(epoch.term().number(), epoch.generation().number()), step);
  }

  void applying(WorkerId worker, long step, long applied, long gradient) {
    check(step == applied, worker + " applies step " + step + " after " + applied + " updates");
    // Who was taken for dead and hears of the commit only now is not of the run any more.
    if (!simulation.counts(worker) && renounced.contains(hash(step, gradient))) {
      return;
    }
    check(committed.containsKey(step), worker + " applies step " + step + " before its commit");
    check(committed.get(step) == gradient, worker + " applies another gradient in step " + step);
  }

  // A run that went back may be stopped before it is as far as it was.
  void committedExactly(long steps, boolean stopped) {
    boolean behind = rewinds && stopped && committed.size() > steps;
    check(
        behind || committed.size() == steps,
        committed.size() + " of " + steps + " steps committed");
  }

  /** Nobody holds the state any more. */
  void allLost() {
    rewinds = true;
  }

  /** The run goes back to a checkpoint. */
  void rewound(long steps) {
    check(steps <= committed.size(), "goes back to a step that was never committed");
    succeeds = false;
    next = steps;
  }

  /** What was committed from a step on is computed again, to other bits. */
  void renounced(long fromStep, Generation generation) {
    check(rewinds, "renounces steps though it never went back");
    committed.tailMap(fromStep).forEach((step, content) -> renounced.add(hash(step, content)));
    committed.tailMap(fromStep).clear();
    since = generation;
  }

  boolean hasRewound() {
    return rewinds;
  }

  /** The parameters that all parts of a checkpoint have, which must be the right ones. */
  long checkpoint(long steps, List<CheckpointPart> parts) {
    Set<String> shares = new TreeSet<>();
    for (CheckpointPart part : parts) {
      check(shares.add(part.file()), "a checkpoint has the share " + part.file() + " twice");
      check(
          part.file().endsWith("-of-" + parts.size()),
          "a checkpoint of " + parts.size() + " parts has the share " + part.file());
      check(
          part.sha256().equals("%064x".formatted(parametersAfter(steps))),
          "a checkpoint after " + steps + " steps has other parameters");
    }
    return parametersAfter(steps);
  }

  /** What a calm machine holds after so many of the committed steps. */
  long parametersAfter(long steps) {
    long parameters = INITIAL_PARAMETERS;
    for (long gradient : committed.headMap(steps).values()) {
      parameters = hash(parameters, gradient);
    }
    return parameters;
  }

  static long hash(long left, long right) {
    long z = left * 0x9E3779B97F4A7C15L + Long.rotateLeft(right, 31);
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    return (z ^ (z >>> 27)) | 1;
  }

  static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }
}
