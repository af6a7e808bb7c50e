package org.dunlin.it.simulation;

import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.message.SlotDigest;

/**
 * What a slot's owner gives, which here are hashes.
 *
 * @param key of the batch and the parameters: what is right
 */
record Leaf(long key, long embeddings, long loss, long gradient) {
  static final int STAGES = 3;

  static Leaf of(SlotBatch batch, long parameters) {
    long key = Invariants.hash(Invariants.hash(batch.step(), batch.slot()), parameters);
    for (int[] rows : batch.microBatches()) {
      key = Invariants.hash(key, rows.length);
    }
    return new Leaf(key, Invariants.hash(key, 1), Invariants.hash(key, 2), Invariants.hash(key, 3));
  }

  /** The same, of a machine that computes a stage wrongly. */
  Leaf wrong(int stage) {
    return new Leaf(
        key,
        embeddings + (stage == 0 ? 1 : 0),
        loss + (stage == 1 ? 1 : 0),
        gradient + (stage == 2 ? 1 : 0));
  }

  /** What goes into the sum. */
  static long sum(Leaf leaf) {
    return Invariants.hash(Invariants.hash(leaf.embeddings, leaf.loss), leaf.gradient);
  }

  /** As {@link SlotDigest} says: each stage depends on all slots' stages before it. */
  static Map<Integer, SlotDigest> digests(SortedMap<Integer, Leaf> leaves) {
    long embeddings = 0;
    long losses = 0;
    for (Leaf leaf : leaves.values()) {
      embeddings = Invariants.hash(embeddings, leaf.embeddings);
      losses = Invariants.hash(losses, leaf.loss);
    }
    long upstream = Invariants.hash(embeddings, losses);
    Map<Integer, SlotDigest> digests = new TreeMap<>();
    for (Map.Entry<Integer, Leaf> each : leaves.entrySet()) {
      Leaf leaf = each.getValue();
      digests.put(
          each.getKey(),
          new SlotDigest(
              each.getKey(),
              leaf.embeddings,
              Invariants.hash(leaf.loss, embeddings),
              Invariants.hash(upstream, each.getKey()),
              Invariants.hash(leaf.gradient, upstream)));
    }
    return digests;
  }
}
