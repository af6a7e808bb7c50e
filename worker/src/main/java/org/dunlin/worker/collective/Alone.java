package org.dunlin.worker.collective;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.function.IntSupplier;

/** The collectives of a generation with one member: everything is here already; it only folds. */
public final class Alone implements Exchange {
  private volatile boolean closed;

  @Override
  public int member() {
    return 0;
  }

  @Override
  public int members() {
    return 1;
  }

  @Override
  public void allGather(long step, Kind kind, FloatBuffer whole, int[] bounds, IntSupplier filled) {
    if (filled.getAsInt() < bounds[1] - bounds[0]) {
      throw new IllegalStateException("nobody else would fill the rest of " + kind);
    }
  }

  @Override
  public void allGather(long step, Kind kind, ByteBuffer whole, int[] bounds) {}

  @Override
  public void reduceScatter(
      long step,
      Kind kind,
      SummationTree tree,
      List<Partial<FloatBuffer>> partials,
      int[] bounds,
      FloatBuffer sum) {
    TreeFold<FloatBuffer> fold = Sums.folding(tree);
    partials.forEach(fold::add);
    sum.put(bounds[0], fold.whole(), bounds[0], bounds[1] - bounds[0]);
  }

  @Override
  public RowSet allReduceRows(
      long step, Kind kind, SummationTree tree, List<Partial<RowSet>> partials, int width) {
    TreeFold<RowSet> fold = RowSet.folding(tree);
    partials.forEach(fold::add);
    return fold.whole();
  }

  @Override
  public boolean isClosed() {
    return closed;
  }

  @Override
  public void close() {
    closed = true;
  }
}
