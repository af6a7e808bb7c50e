package org.dunlin.worker.step;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.function.IntSupplier;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.RowSet;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.trace.Trace;

/** An exchange whose collectives are traced. */
record TracedExchange(Exchange exchange, Trace trace) implements Exchange {
  private void during(String collective, Kind kind, Runnable work) {
    trace.during(
        collective + " " + kind,
        () -> {
          work.run();
          return kind;
        });
  }

  @Override
  public int member() {
    return exchange.member();
  }

  @Override
  public int members() {
    return exchange.members();
  }

  @Override
  public void allGather(long step, Kind kind, FloatBuffer whole, int[] bounds, IntSupplier filled) {
    during("all-gather", kind, () -> exchange.allGather(step, kind, whole, bounds, filled));
  }

  @Override
  public void allGather(long step, Kind kind, ByteBuffer whole, int[] bounds) {
    during("all-gather", kind, () -> exchange.allGather(step, kind, whole, bounds));
  }

  @Override
  public void reduceScatter(
      long step,
      Kind kind,
      SummationTree tree,
      List<Partial<FloatBuffer>> partials,
      int[] bounds,
      FloatBuffer sum) {
    during(
        "reduce-scatter",
        kind,
        () -> exchange.reduceScatter(step, kind, tree, partials, bounds, sum));
  }

  @Override
  public RowSet allReduceRows(
      long step, Kind kind, SummationTree tree, List<Partial<RowSet>> partials, int width) {
    return trace.during(
        "all-reduce " + kind, () -> exchange.allReduceRows(step, kind, tree, partials, width));
  }

  @Override
  public boolean isClosed() {
    return exchange.isClosed();
  }

  @Override
  public void close() {
    exchange.close();
  }
}
