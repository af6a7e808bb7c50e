package org.dunlin.worker.step;

import ai.djl.ndarray.NDManager;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.dunlin.data.state.Segment;

/**
 * Slots' gradient blocks, kept between steps. As many are made as were ever in use at once: the
 * sums that wait in the tree, log2(slots) + 1, and one for each compute thread. Thread-safe.
 */
final class GradientPool {
  private final NDManager manager;
  private final List<Segment> segments;
  private final List<GradientBlock> all = new ArrayList<>();
  private final Deque<GradientBlock> free = new ArrayDeque<>();

  GradientPool(NDManager manager, List<Segment> segments) {
    this.manager = manager;
    this.segments = segments;
  }

  synchronized GradientBlock take() {
    if (!free.isEmpty()) {
      return free.pop();
    }
    GradientBlock block = new GradientBlock(manager, segments);
    all.add(block);
    return block;
  }

  /** Takes all of them back, when nobody uses any. */
  synchronized void reclaim() {
    free.clear();
    free.addAll(all);
  }

  synchronized void give(GradientBlock block) {
    free.push(block);
  }
}
