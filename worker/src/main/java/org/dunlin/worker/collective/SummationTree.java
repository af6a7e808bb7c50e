package org.dunlin.worker.collective;

import java.util.BitSet;

/**
 * The one shape in which slots' blocks are summed: a complete binary tree over a power of two of
 * leaves, some of which may be absent because the plan left those slots empty.
 *
 * <p>Nodes are heap indices: 1 is the root, node n has the children 2n and 2n + 1, slot s is node
 * {@code slots + s}. An absent child gives the other one unchanged: it is copied, never added to
 * zero (0 + -0.0 would lose the sign).
 *
 * <p>Immutable.
 */
public final class SummationTree {
  private final int slots;
  private final BitSet present;

  /**
   * @param slots number of leaves, a power of two
   * @param emptySlots slots that the plan gave nothing
   */
  public SummationTree(int slots, BitSet emptySlots) {
    if (slots < 1 || Integer.bitCount(slots) != 1) {
      throw new IllegalArgumentException("slots: " + slots + " (expected: a power of two)");
    }
    this.slots = slots;
    this.present = new BitSet(2 * slots);
    for (int slot = 0; slot < slots; slot++) {
      present.set(slots + slot, !emptySlots.get(slot));
    }
    for (int node = slots - 1; node >= 1; node--) {
      present.set(node, present.get(2 * node) || present.get(2 * node + 1));
    }
  }

  public int slots() {
    return slots;
  }

  /** The node of a slot. */
  public int leaf(int slot) {
    return slots + slot;
  }

  /** The first slot below a node. */
  public int firstSlot(int node) {
    return (node << (Integer.numberOfLeadingZeros(node) - Integer.numberOfLeadingZeros(slots)))
        - slots;
  }

  /** Whether any slot below this node holds something. */
  public boolean isPresent(int node) {
    return present.get(node);
  }
}
