package org.dunlin.worker.step;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.collective.TreeFold;

/**
 * What this member has done of a step. It outlives the generation in which it was begun, because
 * its bits do not depend on it: the next one goes on with the same slots' embeddings, graphs and
 * gradients. It needs no memory that the step does not need anyway.
 *
 * <p>One caller at a time. Close it: it owns the graphs that are kept.
 */
final class StepWork implements AutoCloseable {
  private final StepHeader header;
  private final SummationTree tree;
  private final GradientPool pool;
  private final NDManager arrays;
  private final Map<Integer, SlotWork> slots = new TreeMap<>();
  private GradientSum sum;

  /**
   * @param pool all of it is this step's until it is closed
   * @param arrays closed with this
   */
  StepWork(StepHeader header, SummationTree tree, GradientPool pool, NDManager arrays) {
    this.header = header;
    this.tree = tree;
    this.pool = pool;
    this.arrays = arrays;
    this.sum = new GradientSum(tree, pool);
  }

  long step() {
    return header.step();
  }

  /** Owns what must outlive a generation. */
  NDManager arrays() {
    return arrays;
  }

  SummationTree tree() {
    return tree;
  }

  /** The finished slots' gradients. */
  GradientSum sum() {
    return sum;
  }

  /** What this member has of the step, and what it was fed. */
  Claims claims(List<SlotBatch> fed) {
    Claims claims = Claims.none(header.slots());
    for (SlotBatch batch : fed) {
      claims.fed()[batch.slot()] = Claims.key(header, batch);
    }
    for (SlotWork slot : slots.values()) {
      long key = Claims.key(header, slot.batch());
      claims.embedded()[slot.batch().slot()] = slot.isBegun() ? key : 0;
      claims.finished()[slot.batch().slot()] = slot.isFinished() ? key : 0;
    }
    return new Claims(!slots.isEmpty(), claims.fed(), claims.embedded(), claims.finished());
  }

  /**
   * The slots that this member computes from now on. What is done of them is kept if it was done
   * with the same batch; what is done of others is given up.
   *
   * @param first the first of them
   * @param end after the last
   * @param fed their batches, but for slots that are begun here
   * @return ascending, without empty ones, all ready to go on
   */
  List<SlotWork> take(
      int first, int end, List<SlotBatch> fed, Function<SlotBatch, SlotWork> begin) {
    resume();
    for (SlotBatch batch : fed) {
      SlotWork held = slots.get(batch.slot());
      if (held != null && Claims.key(header, held.batch()) != Claims.key(header, batch)) {
        giveUp(held);
      }
    }
    for (SlotWork held : List.copyOf(slots.values())) {
      if (held.batch().slot() < first || held.batch().slot() >= end) {
        giveUp(held);
      }
    }
    for (SlotBatch batch : fed) {
      if (batch.slot() >= first && batch.slot() < end) {
        slots.computeIfAbsent(batch.slot(), number -> begin.apply(batch));
      }
    }
    for (int slot = first; slot < end; slot++) {
      if (!header.isEmpty(slot) && !slots.containsKey(slot)) {
        throw new IllegalStateException(
            "step %d slot %d: no batch (expected: one fed, or embeddings kept)"
                .formatted(header.step(), slot));
      }
    }
    if (needsMoreBlocks()) {
      beginSumAnew();
    }
    return new ArrayList<>(slots.values());
  }

  // Sums that wait on both sides of what is not finished take blocks: no more than a step may take.
  private boolean needsMoreBlocks() {
    List<Integer> finished = sum.dense().partials().stream().map(Partial::node).toList();
    int budgeted = Integer.numberOfTrailingZeros(tree.slots()) + 1;
    return mostWaiting(finished, false) > Math.max(budgeted, mostWaiting(List.of(), true));
  }

  private int mostWaiting(List<Integer> nodes, boolean addsFinished) {
    TreeFold<Boolean> fold = new TreeFold<>(tree, (left, right) -> true);
    nodes.forEach(node -> fold.add(new Partial<>(node, true)));
    int most = nodes.size();
    for (SlotWork slot : slots.values()) {
      if (addsFinished || !slot.isFinished()) {
        fold.add(new Partial<>(tree.leaf(slot.batch().slot()), true));
        most = Math.max(most, fold.partials().size());
      }
    }
    return most;
  }

  private void resume() {
    if (sum.isSpoilt()) {
      beginSumAnew();
    }
    slots.values().forEach(SlotWork::resume);
  }

  /** Makes the backward pass ready to go on after it was broken off; graphs are forgotten. */
  void resumeBackward() {
    if (sum.isSpoilt()) {
      beginSumAnew();
    }
    slots.values().forEach(SlotWork::forget);
    slots.values().forEach(SlotWork::resumeBackward);
  }

  // A sum cannot be undone: with a finished slot that is given up all others' gradients go.
  private void giveUp(SlotWork slot) {
    slots.remove(slot.batch().slot());
    slot.forget();
    if (slot.isFinished()) {
      beginSumAnew();
    } else {
      slot.gradients().ifPresent(pool::give);
    }
    slot.beginBackwardAnew();
  }

  private void beginSumAnew() {
    slots.values().forEach(SlotWork::beginBackwardAnew);
    pool.reclaim();
    sum = new GradientSum(tree, pool);
  }

  @Override
  public void close() {
    slots.values().forEach(SlotWork::forget);
    arrays.close();
    pool.reclaim();
  }
}
