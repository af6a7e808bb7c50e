package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.MemoryShort;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The first pass of a step: embeds the own slots' micro-batches. Those whose graphs fit into the
 * memory given keep them; the others are encoded again in the backward pass, to the same bits.
 */
final class EmbeddingPass {
  private static final Logger LOG = LoggerFactory.getLogger(EmbeddingPass.class);

  private final RunSpec spec;
  private final Encoder encoder;
  private final Memory memory;
  private long graphBytes;
  private long keptBytes;

  EmbeddingPass(RunSpec spec, Encoder encoder, Memory memory) {
    this.spec = spec;
    this.encoder = encoder;
    this.memory = memory;
    this.graphBytes = memory.graphBytes();
  }

  /**
   * Embeds all that is not embedded. Where memory runs out, graphs that are kept to save time go
   * first.
   *
   * @param step owns what is kept
   */
  void run(ComputeThreads threads, NDManager step, List<SlotWork> slots) {
    while (true) {
      long before = slots.stream().mapToLong(SlotWork::keptBytes).sum();
      AtomicLong left = new AtomicLong(graphBytes - before);
      try {
        embed(threads, step, slots, left);
        keptBytes = graphBytes - left.get();
        return;
      } catch (MemoryShort e) {
        keptBytes = graphBytes - left.get();
        if (!keepLess()) {
          throw e;
        }
        slots.forEach(SlotWork::forget);
      }
    }
  }

  /**
   * Lets the graphs that are kept take half of what they took when memory ran out, from the next
   * step on; the caller forgets those of this one.
   *
   * @return whether there were any
   */
  boolean keepLess() {
    if (keptBytes == 0) {
      return false;
    }
    graphBytes = keptBytes / 2;
    keptBytes = 0;
    LOG.info("memory ran out: graphs may take {} bytes from now on", graphBytes);
    return true;
  }

  private void embed(
      ComputeThreads threads, NDManager step, List<SlotWork> slots, AtomicLong bytes) {
    List<ComputeThreads.Work<Boolean>> work = new ArrayList<>();
    for (SlotWork slot : slots) {
      for (int m = 0; m < slot.microBatches(); m++) {
        int number = m;
        if (slot.isEmbedded(number)) {
          continue;
        }
        work.add(
            ComputeThreads.sized(
                slot.effort(number),
                () -> slot.words(number),
                module -> {
                  try {
                    embed(module, step, slot, number, bytes);
                  } catch (RuntimeException | OutOfMemoryError e) {
                    throw shortage(e, slot, number);
                  }
                  return true;
                }));
      }
    }
    threads.run("encode", work);
  }

  /** The failure of a micro-batch as what it is: a lack of memory, or itself. */
  static RuntimeException shortage(Throwable failure, SlotWork slot, int number) {
    if (MemoryShort.isReasonOf(failure)) {
      LOG.warn("memory ran out", failure);
      int rows = slot.batch().microBatches()[number].length;
      return new MemoryShort(rows, slot.batch().paddedTokens(number), failure);
    }
    if (failure instanceof Error error) {
      throw error;
    }
    return (RuntimeException) failure;
  }

  private void embed(Module module, NDManager step, SlotWork slot, int number, AtomicLong bytes) {
    NDManager owner = step.newSubManager();
    boolean kept = false;
    try {
      MicroBatch micro = microBatch(module, owner, slot, number);
      long needed = memory.byLayers() ? encoder.stateBytes(micro) : encoder.graphBytes(micro);
      if (bytes.addAndGet(-needed) < 0) {
        bytes.addAndGet(needed);
        embedWithoutGraph(module, owner, slot, number, micro);
        return;
      }
      Encoder.Encoded encoded = encode(module, owner, micro);
      embedded(module, owner, slot, number, micro, encoded.out());
      slot.keep(number, new SlotWork.Kept(owner, micro, encoded, needed));
      kept = true;
    } finally {
      if (!kept) {
        owner.close();
      }
    }
  }

  private void embedWithoutGraph(
      Module module, NDManager owner, SlotWork slot, int number, MicroBatch micro) {
    Torch.recordGraph(false);
    try {
      embedded(module, owner, slot, number, micro, encoder.embed(module, owner, micro));
    } finally {
      Torch.recordGraph(true);
    }
  }

  /** A micro-batch ready for its backward pass. */
  SlotWork.Kept again(Module module, NDManager scope, SlotWork slot, int number) {
    NDManager owner = scope.newSubManager();
    MicroBatch micro = microBatch(module, owner, slot, number);
    return new SlotWork.Kept(owner, micro, encode(module, owner, micro), 0);
  }

  private void embedded(
      Module module,
      NDManager owner,
      SlotWork slot,
      int number,
      MicroBatch micro,
      List<NDArray> out) {
    try (NDManager scope = owner.newSubManager()) {
      slot.embedded(number, micro, encoder.read(module, scope, out));
    }
  }

  private MicroBatch microBatch(Module module, NDManager owner, SlotWork slot, int number) {
    MicroBatch made = MicroBatch.of(owner, slot.batch(), number, spec.encoder(), spec.seed());
    return encoder.staged(module, owner, made);
  }

  private Encoder.Encoded encode(Module module, NDManager manager, MicroBatch micro) {
    if (!memory.byLayers()) {
      return encoder.encode(module, manager, micro);
    }
    Torch.recordGraph(false);
    try {
      return encoder.encodeByLayers(module, manager, micro);
    } finally {
      Torch.recordGraph(true);
    }
  }
}
