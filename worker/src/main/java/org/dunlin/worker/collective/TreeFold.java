package org.dunlin.worker.collective;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Folds blocks up the {@link SummationTree} as soon as both children of a node are there. Leaves
 * that come in order leave at most log2(slots) + 1 blocks waiting. Not thread-safe.
 *
 * @param <B> a block
 */
public final class TreeFold<B> {
  /** How two blocks become one. */
  public interface Sum<B> {
    /** {@code left + right}; may be either of them, and gives back the one that is not needed. */
    B add(B left, B right);
  }

  /**
   * A sum over a complete subtree.
   *
   * @param node heap index
   */
  public record Folded<B>(int node, B block) {}

  private final SummationTree tree;
  private final Sum<B> sum;
  private final TreeMap<Integer, B> waiting = new TreeMap<>();

  public TreeFold(SummationTree tree, Sum<B> sum) {
    this.tree = tree;
    this.sum = sum;
  }

  /** Takes a node's block and folds as far up as it goes. */
  public void add(int node, B block) {
    int at = node;
    B value = block;
    while (at > 1) {
      int sibling = at ^ 1;
      if (tree.isPresent(sibling)) {
        B other = waiting.remove(sibling);
        if (other == null) {
          break;
        }
        value = at < sibling ? sum.add(value, other) : sum.add(other, value);
      }
      at /= 2;
    }
    if (waiting.put(at, value) != null) {
      throw new IllegalStateException("node " + at + " was summed twice");
    }
  }

  /** The root's block, once all present leaves have come. */
  public Optional<B> root() {
    return Optional.ofNullable(waiting.get(1));
  }

  /** The root's block; all present leaves must have come. */
  public B whole() {
    return root()
        .orElseThrow(
            () ->
                new IllegalStateException(
                    "summed nodes: " + waiting.keySet() + " (expected: all slots, node 1)"));
  }

  /** What waits for a sibling that is not here, ascending by first slot. */
  public List<Folded<B>> partials() {
    List<Folded<B>> partials = new ArrayList<>();
    waiting.forEach((node, block) -> partials.add(new Folded<>(node, block)));
    partials.sort((a, b) -> Integer.compare(tree.firstSlot(a.node()), tree.firstSlot(b.node())));
    return partials;
  }
}
