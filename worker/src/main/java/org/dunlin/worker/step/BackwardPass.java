package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.dunlin.data.state.Segment;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.ComputeSpec.Reduction;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.RowSet;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.collective.Sums;
import org.dunlin.worker.collective.TreeFold;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.MemoryShort;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/**
 * From the embeddings' gradients to the parameters': micro-batch by micro-batch, summed in order
 * within a slot, in the fixed tree over the slots, and over the members.
 */
final class BackwardPass {
  private final EmbeddingPass embedding;
  private final Encoder encoder;
  private final Memory memory;
  private final State state;
  private final Reduced reduced;
  private final Reduction reduction;
  private final GradientPool pool;

  BackwardPass(
      NDManager manager,
      EmbeddingPass embedding,
      Encoder encoder,
      Memory memory,
      State state,
      Reduced reduced,
      Reduction reduction) {
    this.embedding = embedding;
    this.encoder = encoder;
    this.memory = memory;
    this.state = state;
    this.reduced = reduced;
    this.reduction = reduction;
    List<Segment> segments = state.layout().segments();
    this.pool =
        new GradientPool(manager, state.trainedSegments().stream().map(segments::get).toList());
  }

  /**
   * Leaves the step's gradient in {@link Reduced}.
   *
   * @param slotBounds of the members
   * @param scale what the embeddings' gradients are multiplied with on their way, a power of two
   */
  void run(
      ComputeThreads threads,
      NDManager step,
      StepHeader header,
      SummationTree tree,
      List<SlotWork> slots,
      Exchange exchange,
      int[] slotBounds,
      double scale) {
    Sum sum = sum(threads, step, tree, slots, scale);
    if (reduction == Reduction.FAST) {
      SummationTree members = overMembers(header, slotBounds);
      reduce(header, members, asOne(sum, members, exchange.member()), exchange);
    } else {
      reduce(header, tree, sum, exchange);
    }
    reduced.unscale(threads, step, scale);
  }

  /** Own slots' gradients, summed over complete subtrees. */
  private record Sum(TreeFold<GradientBlock> dense, TreeFold<RowSet> rows) {}

  // Graphs that are kept to save time are given up before a smaller micro-batch is asked for.
  private Sum sum(
      ComputeThreads threads,
      NDManager step,
      SummationTree tree,
      List<SlotWork> slots,
      double scale) {
    while (true) {
      pool.reclaim();
      Sum sum = new Sum(new TreeFold<>(tree, this::add), RowSet.folding(tree));
      SlotOrder order = new SlotOrder(slots);
      try {
        threads.run(
            "backward",
            () ->
                order
                    .next()
                    .map(piece -> module -> piece(module, step, tree, order, piece, sum, scale)));
        return sum;
      } catch (MemoryShort e) {
        if (!embedding.keepLess()) {
          throw e;
        }
        slots.forEach(SlotWork::beginBackwardAnew);
      }
    }
  }

  private boolean piece(
      Module module,
      NDManager step,
      SummationTree tree,
      SlotOrder order,
      SlotOrder.Piece piece,
      Sum sum,
      double scale) {
    boolean done = backward(module, step, piece.slot(), piece.number(), scale);
    if (done && piece.number() == piece.slot().microBatches() - 1) {
      offer(tree, piece.slot(), sum);
    }
    order.done(piece);
    return true;
  }

  /** Whether it was done; false after another piece's failure. */
  private boolean backward(Module module, NDManager step, SlotWork slot, int number, double scale) {
    try (NDManager scope = step.newSubManager();
        SlotWork.Kept kept =
            slot.takeKept(number).orElseGet(() -> embedding.again(module, scope, slot, number))) {
      List<NDArray> upstream = slot.upstream(scope, kept.micro(), scale);
      NDList found =
          memory.byLayers()
              ? encoder.gradientsByLayers(module, scope, kept.micro(), kept.encoded(), upstream)
              : encoder.gradients(module, scope, kept.encoded(), upstream);
      Torch.recordGraph(false);
      return slot.turns()
          .take(
              number,
              () -> {
                GradientBlock block = number == 0 ? pool.take() : slot.gradients();
                slot.accumulate(module, step, number, kept.micro(), found, block);
              });
    } catch (RuntimeException | Error e) {
      slot.turns().breakOff();
      throw EmbeddingPass.shortage(e, slot, number);
    } finally {
      Torch.recordGraph(true);
    }
  }

  private static void offer(SummationTree tree, SlotWork slot, Sum sum) {
    int leaf = tree.leaf(slot.batch().slot());
    sum.dense().add(new Partial<>(leaf, slot.gradients()));
    slot.touched().ifPresent(touched -> sum.rows().add(new Partial<>(leaf, touched.toRowSet())));
  }

  private GradientBlock add(GradientBlock left, GradientBlock right) {
    Sums.addInto(left.values(), right.values());
    pool.give(right);
    return left;
  }

  /** A tree whose leaves are members; those whose slots are all empty are absent. */
  private static SummationTree overMembers(StepHeader header, int[] slotBounds) {
    int members = slotBounds.length - 1;
    int leaves = members == 1 ? 1 : 2 * Integer.highestOneBit(members - 1);
    BitSet absent = new BitSet();
    for (int m = 0; m < leaves; m++) {
      absent.set(
          m,
          m >= members
              || IntStream.range(slotBounds[m], slotBounds[m + 1]).allMatch(header::isEmpty));
    }
    return new SummationTree(leaves, absent);
  }

  private Sum asOne(Sum own, SummationTree members, int member) {
    int leaf = members.leaf(member);
    Sum one = new Sum(new TreeFold<>(members, this::add), RowSet.folding(members));
    own.dense().partials().stream()
        .map(Partial::block)
        .reduce(this::add)
        .ifPresent(block -> one.dense().add(new Partial<>(leaf, block)));
    RowSet.sum(own.rows().partials().stream().map(Partial::block).toList())
        .ifPresent(rows -> one.rows().add(new Partial<>(leaf, rows)));
    return one;
  }

  private void reduce(StepHeader header, SummationTree tree, Sum own, Exchange exchange) {
    List<Partial<FloatBuffer>> partials =
        own.dense().partials().stream()
            .map(p -> new Partial<>(p.node(), p.block().values()))
            .toList();
    FloatBuffer sum = reduced.denseValues();
    int[] bounds = evenBounds(sum.capacity(), exchange.members());
    exchange.reduceScatter(header.step(), Kind.GRADIENTS, tree, partials, bounds, sum);
    exchange.allGather(header.step(), Kind.GRADIENTS, sum, bounds);
    if (state.isTrained(0)) {
      int width = state.layout().segments().get(0).tensor().shape().get(1).intValue();
      reduced.setRows(
          exchange.allReduceRows(
              header.step(), Kind.EMBEDDING_ROWS, tree, own.rows().partials(), width));
    }
    own.dense().partials().forEach(p -> pool.give(p.block()));
  }

  private static int[] evenBounds(int floats, int members) {
    int[] bounds = new int[members + 1];
    for (int m = 0; m <= members; m++) {
      bounds[m] = (int) ((long) floats * m / members / Block.ALIGNMENT * Block.ALIGNMENT);
    }
    bounds[members] = floats;
    return bounds;
  }
}
