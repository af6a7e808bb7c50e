package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntUnaryOperator;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.loss.Embeddings;
import org.dunlin.worker.loss.PassageGradients;
import org.dunlin.worker.loss.Places;
import org.dunlin.worker.loss.SlotLoss;

/**
 * All passages of a step on every member, and their gradients back on the members that embedded
 * them. Blocks are kept between steps and grow with the largest.
 */
final class PassageGather {
  private final RunSpec spec;
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
   * Gathers.
   *
   * @param slots the own ones, embedded
   * @param slotBounds of the members
   */
  SlotLoss.Passages gather(
      NDManager step,
      StepHeader header,
      List<SlotWork> slots,
      Exchange exchange,
      int[] slotBounds) {
    Places places = places(header);
    int rows = header.passages();
    Block dense = blocks.get(0).of(places.dense(rows));
    Block vectors = blocks.get(3).of(places.vectorFloat(rows));
    Embeddings all =
        new Embeddings(
            places,
            dense.floats(0, places.dense(rows)),
            blocks.get(1).of(places.lexical(rows)).floats(0, places.lexical(rows)),
            blocks.get(2).of(places.lexical(rows)).floats(0, places.lexical(rows)),
            vectors.floats(0, places.vectorFloat(rows)));
    for (SlotWork slot : slots) {
      all.put(slot.batch().firstQuery() * header.groupSize(), slot.passages());
    }
    long number = header.step();
    int[] passages = bounds(header, slotBounds);
    exchange.allGather(number, Kind.EMBEDDINGS, all.dense(), at(passages, places::dense));
    if (places.unified()) {
      int[] lexical = at(passages, places::lexical);
      exchange.allGather(number, Kind.LEXICAL_IDS, all.ids(), lexical);
      exchange.allGather(number, Kind.LEXICAL_WEIGHTS, all.weights(), lexical);
      int[] vector = at(passages, places::vectorFloat);
      exchange.allGather(number, Kind.TOKEN_VECTORS, all.vectors(), vector);
    }
    Optional<NDArray> vectorArray =
        places.unified()
            ? Optional.of(vectors.array(step, 0, places.vector(rows), places.vectorWidth()))
            : Optional.empty();
    return new SlotLoss.Passages(all, dense.array(step, 0, rows, places.denseWidth()), vectorArray);
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
}
