package org.dunlin.worker.step;

import java.util.Optional;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.RowSet;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.collective.Sums;
import org.dunlin.worker.collective.TreeFold;

/**
 * Own slots' gradients, summed over complete subtrees of the fixed tree. Thread-safe but for {@link
 * #isSpoilt}.
 */
final class GradientSum {
  private final SummationTree tree;
  private final GradientPool pool;
  private final TreeFold<GradientBlock> dense;
  private final TreeFold<RowSet> rows;
  private volatile boolean spoilt;

  GradientSum(SummationTree tree, GradientPool pool) {
    this.tree = tree;
    this.pool = pool;
    this.dense = new TreeFold<>(tree, this::add);
    this.rows = RowSet.folding(tree);
  }

  /** Takes a slot's whole gradient. */
  void take(SlotWork slot) {
    int leaf = tree.leaf(slot.batch().slot());
    boolean taken = false;
    try {
      Optional<RowSet> touched = slot.touched().map(TouchedRows::toRowSet);
      dense.add(new Partial<>(leaf, slot.gradients().orElseThrow()));
      touched.ifPresent(set -> rows.add(new Partial<>(leaf, set)));
      slot.finish();
      taken = true;
    } finally {
      spoilt |= !taken;
    }
  }

  private GradientBlock add(GradientBlock left, GradientBlock right) {
    Sums.addInto(left.values(), right.values());
    pool.give(right);
    return left;
  }

  /** Whether a slot was taken in part, so that all of it is of no use. */
  boolean isSpoilt() {
    return spoilt;
  }

  TreeFold<GradientBlock> dense() {
    return dense;
  }

  TreeFold<RowSet> rows() {
    return rows;
  }

  /** All of it as the one leaf of a tree over members; this one is of no use afterwards. */
  GradientSum asLeaf(SummationTree members, int member) {
    spoilt = true;
    int leaf = members.leaf(member);
    GradientSum one = new GradientSum(members, pool);
    dense.partials().stream()
        .map(Partial::block)
        .reduce(this::add)
        .ifPresent(block -> one.dense.add(new Partial<>(leaf, block)));
    RowSet.sum(rows.partials().stream().map(Partial::block).toList())
        .ifPresent(set -> one.rows.add(new Partial<>(leaf, set)));
    return one;
  }
}
