package org.dunlin.worker.collective;

import java.util.List;

/** Row sets in the fixed tree. */
public final class Rows {
  private Rows() {}

  /** A fold of row sets that takes them as slots finish. */
  public static TreeFold<PartialRows> folding(SummationTree tree) {
    return new TreeFold<>(tree, (left, right) -> Sums.merge(left.node() / 2, left, right));
  }

  /** The whole sum, node 1, of partials that cover all present slots. */
  public static PartialRows fold(SummationTree tree, List<PartialRows> partials) {
    TreeFold<PartialRows> fold = folding(tree);
    partials.forEach(partial -> fold.add(partial.node(), partial));
    PartialRows root = fold.root().orElseThrow();
    return new PartialRows(1, root.rows(), root.width(), root.values());
  }
}
