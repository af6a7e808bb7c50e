package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.ComputeSpec.Reduction;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.SummationTree;
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
      GradientPool pool,
      EmbeddingPass embedding,
      Encoder encoder,
      Memory memory,
      State state,
      Reduced reduced,
      Reduction reduction) {
    this.pool = pool;
    this.embedding = embedding;
    this.encoder = encoder;
    this.memory = memory;
    this.state = state;
    this.reduced = reduced;
    this.reduction = reduction;
  }

  /**
   * Leaves the step's gradient in {@link Reduced}. When it is broken off, the finished slots stay
   * in the work's sum, and the others keep what they have.
   *
   * @param slots of the work
   * @param slotBounds of the members
   * @param scale what the embeddings' gradients are multiplied with on their way, a power of two
   * @param digests are shown each slot's gradient
   */
  void run(
      ComputeThreads threads,
      NDManager scratch,
      StepHeader header,
      StepWork work,
      List<SlotWork> slots,
      Exchange exchange,
      int[] slotBounds,
      double scale,
      SlotDigests digests) {
    sum(threads, scratch, work, slots, scale, digests);
    if (reduction == Reduction.FAST) {
      SummationTree members = overMembers(header, slotBounds);
      reduce(header, members, work.sum().asLeaf(members, exchange.member()), exchange);
    } else {
      reduce(header, work.tree(), work.sum(), exchange);
    }
    reduced.unscale(threads, scratch, scale);
  }

  // Graphs that are kept to save time are given up before a smaller micro-batch is asked for.
  private void sum(
      ComputeThreads threads,
      NDManager scratch,
      StepWork work,
      List<SlotWork> slots,
      double scale,
      SlotDigests digests) {
    while (true) {
      SlotOrder order = new SlotOrder(slots.stream().filter(slot -> !slot.isFinished()).toList());
      try {
        threads.run(
            "backward",
            () -> order.next().map(piece -> work(scratch, work, order, piece, scale, digests)));
        return;
      } catch (MemoryShort e) {
        if (!embedding.keepLess()) {
          throw e;
        }
        work.resumeBackward();
      }
    }
  }

  private ComputeThreads.Work<Boolean> work(
      NDManager scratch,
      StepWork work,
      SlotOrder order,
      SlotOrder.Piece piece,
      double scale,
      SlotDigests digests) {
    return new ComputeThreads.Work<>() {
      @Override
      public Boolean run(Module module) {
        return piece(module, scratch, work, order, piece, scale, digests);
      }

      @Override
      public void giveUp() {
        piece.slot().turns().breakOff();
      }

      @Override
      public long size() {
        return piece.slot().effort(piece.number());
      }

      @Override
      public String of() {
        return piece.slot().words(piece.number());
      }
    };
  }

  private boolean piece(
      Module module,
      NDManager scratch,
      StepWork work,
      SlotOrder order,
      SlotOrder.Piece piece,
      double scale,
      SlotDigests digests) {
    boolean done = backward(module, scratch, work, piece.slot(), piece.number(), scale);
    if (done && piece.number() == piece.slot().microBatches() - 1) {
      digests.summed(piece.slot());
      work.sum().take(piece.slot());
    }
    order.done(piece);
    return true;
  }

  /** Whether it was done; false after another piece's failure. */
  private boolean backward(
      Module module, NDManager scratch, StepWork work, SlotWork slot, int number, double scale) {
    try (NDManager scope = scratch.newSubManager();
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
              () ->
                  slot.accumulate(
                      module,
                      work.arrays(),
                      number,
                      kept.micro(),
                      found,
                      slot.gradients().orElseGet(pool::take)));
    } catch (RuntimeException | Error e) {
      slot.turns().breakOff();
      throw EmbeddingPass.shortage(e, slot, number);
    } finally {
      Torch.recordGraph(true);
    }
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

  private void reduce(StepHeader header, SummationTree tree, GradientSum own, Exchange exchange) {
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
