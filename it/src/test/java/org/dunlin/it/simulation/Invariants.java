package org.dunlin.it.simulation;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.Share;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.worker.member.MemberEffect;

/**
 * What must hold after every event, and the make-believe data plane: a step's reduced gradient is
 * the hash of its slots' hashes in the fixed tree, so a wrong order or a lost slot changes it.
 */
final class Invariants {
  private final int slots;
  private final Map<Long, Map<Integer, Long>> leaves = new HashMap<>();
  private final Map<Long, Map<WorkerId, Runnable>> meeting = new HashMap<>();
  private final Map<Long, Set<WorkerId>> prepared = new HashMap<>();
  private final Map<Long, Long> committed = new TreeMap<>();
  private final Set<WorkerId> members = new TreeSet<>();

  Invariants(int slots) {
    this.slots = slots;
  }

  void assigned(Effect.Assign assign) {
    Set<Integer> owned = new HashSet<>();
    for (Share share : assign.shares()) {
      members.add(share.worker());
      for (int slot = share.firstSlot(); slot < share.firstSlot() + share.slots(); slot++) {
        check(owned.add(slot), "slot " + slot + " has two owners");
      }
    }
    check(owned.size() == slots, "only " + owned.size() + " of " + slots + " slots have an owner");
  }

  /** A member's slots are computed; its peers' continuation runs once all members are there. */
  void computing(
      Simulation simulation,
      SimulatedWorker worker,
      MemberEffect.Compute compute,
      Runnable continuation) {
    long step = compute.header().step();
    check(step == worker.applied(), worker.id() + " computes " + step + " on other parameters");
    Map<Integer, Long> sums = leaves.computeIfAbsent(step, s -> new TreeMap<>());
    for (SlotBatch batch : compute.own()) {
      long leaf = hash(hash(step, batch.slot()), worker.parameters());
      check(sums.put(batch.slot(), leaf) == null, "slot " + batch.slot() + " summed twice");
    }
    Map<WorkerId, Runnable> there = meeting.computeIfAbsent(step, s -> new TreeMap<>());
    check(there.put(worker.id(), continuation) == null, worker.id() + " computes twice");
    if (there.size() == members.size()) {
      there.values().forEach(simulation::later);
    }
  }

  /** The root of the tree over the step's present slots. */
  long reduced(long step) {
    return node(leaves.get(step), 1);
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
    prepared.computeIfAbsent(effect.result().step(), s -> new TreeSet<>()).add(worker);
  }

  void committed(long step, Generation generation) {
    check(step == committed.size(), "step " + step + " committed after " + committed.size());
    check(
        prepared.getOrDefault(step, Set.of()).equals(members),
        "step " + step + " committed while only " + prepared.get(step) + " are prepared");
    check(committed.put(step, generation.number()) == null, "step " + step + " committed twice");
  }

  void applying(WorkerId worker, long step, long applied) {
    check(committed.containsKey(step), worker + " applies step " + step + " before its commit");
    check(step == applied, worker + " applies step " + step + " after " + applied + " updates");
  }

  long finalParameters(Collection<SimulatedWorker> workers, int steps) {
    check(committed.size() == steps, committed.size() + " of " + steps + " steps committed");
    Set<Long> values = new HashSet<>();
    for (SimulatedWorker worker : workers) {
      if (worker.applied() == steps) {
        values.add(worker.parameters());
      }
    }
    check(values.size() == 1, "the workers' parameters differ: " + values);
    return values.iterator().next();
  }

  static long hash(long left, long right) {
    long z = left * 0x9E3779B97F4A7C15L + Long.rotateLeft(right, 31);
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    return (z ^ (z >>> 27)) | 1;
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }
}
