package org.dunlin.it.simulation;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.Share;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
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
    private final Generation generation;
    private final Set<WorkerId> members = new TreeSet<>();
    private final Map<WorkerId, SimulatedWorker> waiting = new TreeMap<>();
    private final Map<WorkerId, Runnable> arrived = new TreeMap<>();
    private final Map<WorkerId, StepResult> prepared = new TreeMap<>();
    private final Map<Integer, Long> leaves = new TreeMap<>();
    private boolean parted;

    Together(Generation generation) {
      this.generation = generation;
    }
  }

  static final long INITIAL_PARAMETERS = 17;

  private final Simulation simulation;
  private final int slots;
  private final TreeMap<Generation, Together> generations = new TreeMap<>();
  private final TreeMap<Long, Long> committed = new TreeMap<>();
  private final Map<Long, Long> contents = new HashMap<>();
  private final Map<Long, Generation> ledger = new HashMap<>();
  private Generation newest = new Generation(0);

  Invariants(Simulation simulation, int slots) {
    this.simulation = simulation;
    this.slots = slots;
  }

  void assigned(Effect.Assign assign) {
    check(assign.generation().compareTo(newest) > 0, "generation goes back");
    check(assign.firstStep() == committed.size(), "a generation skips or repeats a step");
    newest = assign.generation();
    Together together = new Together(assign.generation());
    Set<Integer> owned = new HashSet<>();
    for (Share share : assign.shares()) {
      together.members.add(share.worker());
      for (int slot = share.firstSlot(); slot < share.firstSlot() + share.slots(); slot++) {
        check(owned.add(slot), "slot " + slot + " has two owners");
      }
    }
    check(owned.size() == slots, "only " + owned.size() + " of " + slots + " slots have an owner");
    generations.put(assign.generation(), together);
  }

  /** A member is there; all go on once all are. */
  void meeting(SimulatedWorker worker, Generation generation) {
    arrive(worker, generation, () -> worker.on(new MemberEvent.Met(generation)));
  }

  /** A member's slots are computed; its peers' continuation runs once all members are there. */
  void computing(SimulatedWorker worker, MemberEffect.Compute compute, Runnable continuation) {
    long step = compute.header().step();
    check(step == worker.applied(), worker.id() + " computes " + step + " on other parameters");
    Together together = generations.get(compute.generation());
    for (SlotBatch batch : compute.own()) {
      long leaf = hash(hash(step, batch.slot()), worker.parameters());
      for (int[] rows : batch.microBatches()) {
        leaf = hash(leaf, rows.length);
      }
      check(
          together.leaves.put(batch.slot(), leaf) == null,
          "slot " + batch.slot() + " summed twice");
    }
    arrive(worker, compute.generation(), continuation);
  }

  private void arrive(SimulatedWorker worker, Generation generation, Runnable then) {
    Together together = generations.get(generation);
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
  void brokenOff(WorkerId worker, Generation next) {
    generations.headMap(next).values().stream()
        .filter(t -> t.members.contains(worker))
        .forEach(this::part);
  }

  /** The newest generation's connections break. */
  void partAll() {
    part(generations.get(newest));
  }

  private void part(Together together) {
    together.parted = true;
    together.arrived.clear();
    together.waiting.values().forEach(worker -> worker.parted(together.generation));
    together.waiting.clear();
  }

  /** The root of the tree over the step's present slots. */
  long reduced(Generation generation, long step) {
    Together together = generations.get(generation);
    long root = contents.getOrDefault(hash(generation.number(), step), 0L);
    if (root == 0) {
      check(
          together.leaves.size() == simulation.presentSlots(step),
          "step %d holds %d slots (expected: %d)"
              .formatted(step, together.leaves.size(), simulation.presentSlots(step)));
      root = node(together.leaves, 1);
      together.leaves.clear();
      contents.put(hash(generation.number(), step), root);
    }
    return root;
  }

  private long node(Map<Integer, Long> sums, int node) {
    if (node >= slots) {
      return sums.getOrDefault(node - slots, 0L);
    }
    long left = node(sums, 2 * node);
    long right = node(sums, 2 * node + 1);
    return left == 0 ? right : right == 0 ? left : hash(left, right);
  }

  void prepared(WorkerId worker, MemberEffect.TellPrepared effect) {
    generations.get(effect.generation()).prepared.put(worker, effect.result());
  }

  /** The ledger has it: from then on the step counts. */
  void ledgered(long step, Generation generation) {
    check(ledger.putIfAbsent(step, generation) == null, "step " + step + " is in the ledger twice");
  }

  void committed(long step, Generation generation) {
    check(generation.equals(ledger.get(step)), "step " + step + " committed before it was durable");
    check(step == committed.size(), "step " + step + " committed after " + committed.size());
    check(generation.equals(newest), "step " + step + " committed in an older generation");
    Together together = generations.get(generation);
    List<Long> checksums =
        together.prepared.values().stream()
            .filter(result -> result.step() == step)
            .map(StepResult::checksum)
            .toList();
    check(
        checksums.size() == together.members.size(),
        "step %d committed while only %d of %d are prepared"
            .formatted(step, checksums.size(), together.members.size()));
    check(Set.copyOf(checksums).size() == 1, "step " + step + " committed with two contents");
    Long content = contents.get(hash(generation.number(), step));
    check(content != null, "step " + step + " committed, but reduced in another generation");
    committed.put(step, content);
  }

  void applying(WorkerId worker, long step, long applied, long gradient) {
    check(committed.containsKey(step), worker + " applies step " + step + " before its commit");
    check(step == applied, worker + " applies step " + step + " after " + applied + " updates");
    check(committed.get(step) == gradient, worker + " applies another gradient in step " + step);
  }

  void committedExactly(long steps) {
    check(committed.size() == steps, committed.size() + " of " + steps + " steps committed");
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
