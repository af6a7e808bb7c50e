package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntUnaryOperator;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.engine.Abandoned;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.loss.Embeddings;
import org.dunlin.worker.loss.PassageGradients;
import org.dunlin.worker.loss.Places;
import org.dunlin.worker.loss.SlotLoss;

/**
 * All passages of a step on every member, and their gradients back on the members that embedded
 * them. Blocks are kept between steps and grow with the largest.
 */
final class PassageGather implements AutoCloseable {
  private final RunSpec spec;
  private final ExecutorService thread =
      Executors.newSingleThreadExecutor(
          work -> {
            Thread made = new Thread(work, "gather");
            made.setDaemon(true);
            return made;
          });
  private final List<Growing> blocks =
      List.of(new Growing(), new Growing(), new Growing(), new Growing());

  private static final class Growing {
    private Block block = new Block(0);
    private long floats;

    Block of(long needed) {
      if (needed > floats) {
        block = new Block(needed);
        floats = needed;
      }
      return block;
    }
  }

  PassageGather(RunSpec spec) {
    this.spec = spec;
  }

  private Places places(StepHeader header) {
    return Places.of(
        SlotLoss.denseWidth(spec), spec.heads(), header.passages(), header.passageTokens());
  }

  /**
   * Begins to gather, on a thread of its own: while later micro-batches are being embedded, what is
   * there of the slots before is on its way.
   *
   * @param slots the own ones, about to be embedded
   * @param slotBounds of the members
   */
  Gathering begin(StepHeader header, List<SlotWork> slots, Exchange exchange, int[] slotBounds) {
    return new Gathering(header, slots, exchange, slotBounds);
  }

  /** Everyone's passages on their way. Closed before anything that they lie in. */
  final class Gathering implements AutoCloseable {
    private final Places places;
    private final Embeddings all;
    private final Block dense;
    private final Block vectors;
    private final int[] ends; // by own slot: its last passage's place after the first own one
    private final BitSet embedded = new BitSet();
    private final Future<?> transfer;
    private volatile int rows; // own ones, from the first on, that are embedded
    private volatile boolean abandoned;

    private Gathering(
        StepHeader header, List<SlotWork> slots, Exchange exchange, int[] slotBounds) {
      this.places = places(header);
      int passages = header.passages();
      this.dense = blocks.get(0).of(places.dense(passages));
      this.vectors = blocks.get(3).of(places.vectorFloat(passages));
      this.all =
          new Embeddings(
              places,
              dense.floats(0, places.dense(passages)),
              blocks.get(1).of(places.lexical(passages)).floats(0, places.lexical(passages)),
              blocks.get(2).of(places.lexical(passages)).floats(0, places.lexical(passages)),
              vectors.floats(0, places.vectorFloat(passages)));
      this.ends = new int[slots.size()];
      int[] bounds = bounds(header, slotBounds);
      int own = bounds[exchange.member()];
      for (int s = 0; s < ends.length; s++) {
        SlotWork slot = slots.get(s);
        int number = s;
        int first = slot.batch().firstQuery() * header.groupSize();
        ends[s] = first + slot.passages().places().rows() - own;
        slot.whenEmbedded(
            () -> {
              all.put(first, slot.passages());
              embedded(number);
            });
      }
      this.transfer = thread.submit(() -> transfer(header.step(), exchange, bounds));
    }

    private synchronized void embedded(int slot) {
      embedded.set(slot);
      int leading = embedded.nextClearBit(0);
      rows = leading == 0 ? 0 : ends[leading - 1];
    }

    // The largest first: the others are small, and wait for its end.
    private void transfer(long step, Exchange exchange, int[] bounds) {
      int first = bounds[exchange.member()];
      if (exchange.members() == 1) {
        return;
      }
      if (places.unified()) {
        gather(
            step, exchange, Kind.TOKEN_VECTORS, all.vectors(), places::vectorFloat, bounds, first);
      }
      gather(step, exchange, Kind.EMBEDDINGS, all.dense(), places::dense, bounds, first);
      if (places.unified()) {
        gather(step, exchange, Kind.LEXICAL_IDS, all.ids(), places::lexical, bounds, first);
        gather(step, exchange, Kind.LEXICAL_WEIGHTS, all.weights(), places::lexical, bounds, first);
      }
    }

    private void gather(
        long step,
        Exchange exchange,
        Kind kind,
        FloatBuffer whole,
        IntUnaryOperator place,
        int[] bounds,
        int first) {
      exchange.allGather(
          step,
          kind,
          whole,
          at(bounds, place),
          () -> {
            if (abandoned) {
              throw new Abandoned("the rest of the passages is not embedded");
            }
            return place.applyAsInt(first + rows) - place.applyAsInt(first);
          });
    }

    /** All of them, once the own ones are embedded; waits. */
    SlotLoss.Passages all(NDManager step) {
      try {
        transfer.get();
      } catch (ExecutionException e) {
        switch (e.getCause()) {
          case RuntimeException failure -> throw failure;
          case Error failure -> throw failure;
          case Throwable failure -> throw new IllegalStateException(failure);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while gathering", e);
      }
      int rows = places.rows();
      Optional<NDArray> vectorArray =
          places.unified()
              ? Optional.of(vectors.array(step, 0, places.vector(rows), places.vectorWidth()))
              : Optional.empty();
      return new SlotLoss.Passages(
          all, dense.array(step, 0, rows, places.denseWidth()), vectorArray);
    }

    /** Returns when nothing is on its way any more: the next step fills the same blocks. */
    @Override
    public void close() {
      abandoned = true;
      boolean interrupted = false;
      while (!transfer.isDone()) {
        try {
          transfer.get();
        } catch (ExecutionException e) {
          // Whoever asked for the passages was told.
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Sums everyone's gradients and hands each slot those of its own passages.
   *
   * @param partials this member's sums over subtrees
   */
  void scatter(
      StepHeader header,
      SummationTree tree,
      List<Partial<PassageGradients>> partials,
      List<SlotWork> slots,
      Exchange exchange,
      int[] slotBounds) {
    Places places = places(header);
    Embeddings sum = Embeddings.allocate(places);
    int[] passages = bounds(header, slotBounds);
    List<Target> targets = new ArrayList<>();
    targets.add(new Target(Kind.EMBEDDING_GRADIENTS, sum.dense(), at(passages, places::dense)));
    if (places.unified()) {
      targets.add(new Target(Kind.LEXICAL_GRADIENTS, sum.weights(), at(passages, places::lexical)));
      targets.add(
          new Target(Kind.VECTOR_GRADIENTS, sum.vectors(), at(passages, places::vectorFloat)));
    }
    for (int t = 0; t < targets.size(); t++) {
      int head = t;
      Target target = targets.get(t);
      exchange.reduceScatter(
          header.step(),
          target.kind(),
          tree,
          partials.stream()
              .map(p -> new Partial<>(p.node(), p.block().values().get(head)))
              .toList(),
          target.bounds(),
          target.sum());
    }
    for (SlotWork slot : slots) {
      int first = slot.batch().firstQuery() * header.groupSize();
      slot.ofPassages().put(0, sum.from(first, first + slot.passages().places().rows()));
    }
  }

  private record Target(Kind kind, FloatBuffer sum, int[] bounds) {}

  /** Each member's first passage. */
  private static int[] bounds(StepHeader header, int[] slotBounds) {
    int[] bounds = new int[slotBounds.length];
    for (int m = 0; m < bounds.length; m++) {
      bounds[m] = header.firstQuery()[slotBounds[m]] * header.groupSize();
    }
    return bounds;
  }

  private static int[] at(int[] passages, IntUnaryOperator place) {
    int[] bounds = new int[passages.length];
    for (int m = 0; m < bounds.length; m++) {
      bounds[m] = place.applyAsInt(passages[m]);
    }
    return bounds;
  }

  @Override
  public void close() {
    thread.shutdown();
  }
}
