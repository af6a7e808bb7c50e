package org.dunlin.worker.collective;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/**
 * Folds blocks up the {@link SummationTree} as soon as both children of a node are there. Leaves
 * that come in order leave at most log2(slots) + 1 blocks waiting. Thread-safe: whoever brings the
 * second child of a node sums it, several nodes at once.
 *
 * @param <B> a block
 */
public final class TreeFold<B> {
  /** How two blocks become one. */
  public interface Sum<B> {
    /** {@code left + right}; may be either of them, and gives back the one that is not needed. */
    B add(B left, B right);
  }

  private final SummationTree tree;
  private final Sum<B> sum;
  private final TreeMap<Integer, B> waiting = new TreeMap<>();

  public TreeFold(SummationTree tree, Sum<B> sum) {
    this.tree = tree;
    this.sum = sum;
  }

  /** Takes a subtree's sum and folds as far up as it goes. */
  public void add(Partial<B> partial) {
    int at = partial.node();
    B value = partial.block();
    if (at < 1 || !tree.isPresent(at)) {
      throw new IllegalStateException("node: " + at + " (expected: one with slots of this step)");
    }
    while (at > 1) {
      int sibling = at ^ 1;
      if (tree.isPresent(sibling)) {
        B other = takeOrWait(sibling, at, value);
        if (other == null) {
          return;
        }
        value = at < sibling ? sum.add(value, other) : sum.add(other, value);
      }
      at /= 2;
    }
    putOnce(at, value);
  }

  private synchronized B takeOrWait(int sibling, int node, B block) {
    B other = waiting.remove(sibling);
    if (other == null) {
      putOnce(node, block);
    }
    return other;
  }

  private synchronized void putOnce(int node, B block) {
    if (waiting.put(node, block) != null) {
      throw new IllegalStateException("node " + node + " was summed twice");
    }
  }

  /** The root's block; all present leaves must have come. */
  public synchronized B whole() {
    B root = waiting.get(1);
    if (root == null || waiting.size() > 1) {
      throw new IllegalStateException(
          "summed nodes: " + waiting.keySet() + " (expected: [1], all slots)");
    }
    return root;
  }

  /** What waits for a sibling that is not here, ascending by first slot. */
  public synchronized List<Partial<B>> partials() {
    List<Partial<B>> partials = new ArrayList<>();
    waiting.forEach((node, block) -> partials.add(new Partial<>(node, block)));
    partials.sort((a, b) -> Integer.compare(tree.firstSlot(a.node()), tree.firstSlot(b.node())));
    return partials;
  }
}
