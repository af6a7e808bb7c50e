package org.dunlin.worker.step;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.dunlin.protocol.message.SlotDigest;
import org.dunlin.worker.engine.Torch;
import org.dunlin.worker.loss.Embeddings;
import org.dunlin.worker.loss.SlotLoss;

/**
 * What each stage of the own slots gives, where it is to be shown. All NaNs count as the same.
 * Thread-safe, for other slots.
 */
final class SlotDigests {
  private static final long OFFSET = 0xcbf29ce484222325L; // FNV-1a
  private static final long PRIME = 0x100000001b3L;

  private final boolean shown;
  private final Map<Integer, Long> losses = new ConcurrentHashMap<>();
  private final Map<Integer, Long> upstreams = new ConcurrentHashMap<>();
  private final Map<Integer, Long> gradients = new ConcurrentHashMap<>();

  /**
   * @param shown whether there will be any
   */
  SlotDigests(boolean shown) {
    this.shown = shown;
  }

  /** The loss of the slot's rows has been found, with its gradients. */
  void lost(SlotWork slot, SlotLoss.Part part) {
    if (shown) {
      long digest = add(OFFSET, Double.doubleToLongBits(part.loss()));
      for (FloatBuffer values : part.passages().values()) {
        digest = add(digest, values);
      }
      losses.put(slot.batch().slot(), add(digest, slot.ofQueries()));
    }
  }

  /** The slot has the gradients of its embeddings. */
  void handedBack(SlotWork slot) {
    if (shown) {
      upstreams.put(slot.batch().slot(), add(OFFSET, slot.upstream()));
    }
  }

  /** The slot's gradient is whole, and nowhere else yet. */
  void summed(SlotWork slot) {
    if (shown) {
      long dense = add(OFFSET, slot.gradients().orElseThrow().values());
      long all = slot.touched().map(rows -> add(dense, Torch.floats(rows.values()))).orElse(dense);
      gradients.put(slot.batch().slot(), all);
    }
  }

  /** Of all slots, in their order. */
  List<SlotDigest> all(List<SlotWork> slots) {
    return shown ? slots.stream().map(this::of).toList() : List.of();
  }

  private SlotDigest of(SlotWork work) {
    int slot = work.batch().slot();
    return new SlotDigest(
        slot,
        add(add(OFFSET, work.embeddings()), work.embeddings().ids()),
        losses.get(slot),
        upstreams.get(slot),
        gradients.get(slot));
  }

  private static long add(long digest, Embeddings values) {
    return add(add(add(digest, values.dense()), values.weights()), values.vectors());
  }

  private static long add(long digest, FloatBuffer values) {
    long sum = digest;
    for (int i = 0; i < values.capacity(); i++) {
      sum = add(sum, Float.floatToIntBits(values.get(i)));
    }
    return sum;
  }

  private static long add(long digest, long value) {
    return (digest ^ value) * PRIME;
  }
}
