package org.dunlin.worker.collective;

import java.nio.FloatBuffer;
import java.util.List;

/** The collectives of a generation with one member: everything is here already; it only folds. */
public final class Alone implements Exchange {
  @Override
  public int member() {
    return 0;
  }

  @Override
  public int members() {
    return 1;
  }

  @Override
  public void allGather(long step, Kind kind, FloatBuffer whole, int[] bounds) {}

  @Override
  public void reduceScatter(
      long step,
      Kind kind,
      SummationTree tree,
      List<Partial> partials,
      int[] bounds,
      FloatBuffer sum) {
    sum.put(sum.position(), root(tree, partials), 0, bounds[1]);
  }

  private static FloatBuffer root(SummationTree tree, List<Partial> partials) {
    TreeFold<FloatBuffer> fold = new TreeFold<>(tree, Sums::addInto);
    partials.forEach(partial -> fold.add(partial.node(), partial.values()));
    return fold.root().orElseThrow();
  }

  @Override
  public PartialRows allReduceRows(
      long step, Kind kind, SummationTree tree, List<PartialRows> partials, int width) {
    return Rows.fold(tree, partials);
  }

  @Override
  public void close() {}
}
