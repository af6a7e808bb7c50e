package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dunlin.data.state.Segment;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.RowSet;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.collective.Sums;
import org.dunlin.worker.collective.TreeFold;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;
import org.dunlin.worker.member.Device;

/**
 * Trains on the processor's cores: several micro-batches at once, one compute thread each.
 *
 * <p>This form keeps the graphs of all own micro-batches from the encoding to the backward pass.
 * One caller at a time. Close it: it owns threads and native memory.
 */
public final class StepCompute implements Device {
  private final RunSpec spec;
  private final int hidden;
  private final ComputeThreads threads;
  private final NDManager manager = Torch.newManager();
  private final State state;
  private final Encoder encoder;
  private final ContrastiveLoss loss;
  private final AdamW optimizer;
  private final Reduced reduced;
  private final GradientPool pool;
  private Block passageBlock = new Block(0);
  private long passageFloats;
  private long updates;
  private double norm;
  private boolean finite;
  private List<float[]> lastScores = List.of();

  /**
   * @param computeThreads at least 1; bits do not depend on it
   */
  public StepCompute(RunSpec spec, int computeThreads) {
    this.spec = spec;
    this.hidden = spec.encoder().hidden();
    this.threads = new ComputeThreads(computeThreads);
    this.state = new State(spec.encoder());
    this.encoder = new Encoder(manager, spec.encoder(), spec.loss(), state);
    this.loss = new ContrastiveLoss(spec.loss());
    this.optimizer = new AdamW(spec.optimizer(), state);
    this.reduced = new Reduced(manager, state.layout());
    List<Segment> segments = state.layout().segments();
    this.pool = new GradientPool(manager, segments.subList(1, segments.size()));
  }

  @Override
  public Map<String, Long> parameters() {
    Map<String, Long> parameters = new LinkedHashMap<>();
    for (Segment segment : state.layout().segments()) {
      parameters.put(segment.tensor().name(), segment.tensor().elements());
    }
    return parameters;
  }

  @Override
  public void write(String parameter, long firstElement, FloatBuffer values) {
    state.values(parameter, firstElement, values.remaining()).put(values.duplicate());
  }

  @Override
  public void read(String parameter, long firstElement, FloatBuffer into) {
    into.put(state.values(parameter, firstElement, into.remaining()));
  }

  @Override
  public StepResult compute(
      StepHeader header, List<SlotBatch> own, Exchange exchange, int[] slotBounds) {
    try (NDManager step = manager.newSubManager()) {
      SummationTree tree = new SummationTree(header.slots(), emptySlots(header));
      List<SlotWork> slots = own.stream().map(batch -> new SlotWork(batch, hidden)).toList();

      encode(step, slots); // embeddings of the own rows, [queries + passages, hidden]
      int[] bounds = passageBounds(header, slotBounds); // in floats, a part a member
      NDArray passages = gather(step, header, slots, exchange, bounds); // [all passages, hidden]
      double[] losses = contrast(step, header, tree, slots, passages, exchange, bounds);
      backward(step, header, tree, slots, exchange);

      norm = reduced.norm(threads, step);
      finite = Double.isFinite(norm);
      return new StepResult(header.step(), reduced.checksum(norm), finite, norm, losses);
    }
  }

  private static BitSet emptySlots(StepHeader header) {
    BitSet empty = new BitSet();
    for (int slot = 0; slot < header.slots(); slot++) {
      empty.set(slot, header.isEmpty(slot));
    }
    return empty;
  }

  private void encode(NDManager step, List<SlotWork> slots) {
    List<ComputeThreads.Work<Boolean>> work = new ArrayList<>();
    for (SlotWork slot : slots) {
      for (int m = 0; m < slot.microBatches(); m++) {
        int number = m;
        work.add(
            module -> {
              MicroBatch micro =
                  MicroBatch.of(step, slot.batch(), number, spec.encoder(), spec.seed());
              slot.encoded(number, micro, encoder.encode(module, step, micro));
              return true;
            });
      }
    }
    threads.run(work);
  }

  private int[] passageBounds(StepHeader header, int[] slotBounds) {
    int[] bounds = new int[slotBounds.length];
    for (int m = 0; m < bounds.length; m++) {
      bounds[m] =
          Math.multiplyExact(header.firstQuery()[slotBounds[m]], header.groupSize() * hidden);
    }
    return bounds;
  }

  private NDArray gather(
      NDManager step, StepHeader header, List<SlotWork> slots, Exchange exchange, int[] bounds) {
    long floats = (long) header.passages() * hidden;
    if (floats > passageFloats) {
      passageBlock = new Block(floats);
      passageFloats = floats;
    }
    FloatBuffer all = passageBlock.floats(0, floats);
    for (SlotWork slot : slots) {
      int at = slot.batch().firstQuery() * header.groupSize() * hidden;
      all.put(at, slot.passages(), 0, slot.passages().capacity());
    }
    exchange.allGather(header.step(), Exchange.Kind.EMBEDDINGS, all, bounds);
    return passageBlock.array(step, 0, header.passages(), hidden);
  }

  private double[] contrast(
      NDManager step,
      StepHeader header,
      SummationTree tree,
      List<SlotWork> slots,
      NDArray passages,
      Exchange exchange,
      int[] bounds) {
    TreeFold<NDArray> fold = new TreeFold<>(tree, StepCompute::add);
    List<ComputeThreads.Work<ContrastiveLoss.Part>> work = new ArrayList<>();
    for (SlotWork slot : slots) {
      work.add(
          module -> {
            Torch.recordGraph(false);
            try {
              ContrastiveLoss.Part part = loss.of(module, step, header, slot, passages);
              slot.queryGradients(TouchedRows.floats(part.queries()));
              part.queries().close();
              fold.add(new Partial<>(tree.leaf(slot.batch().slot()), part.passages()));
              return part;
            } finally {
              Torch.recordGraph(true);
            }
          });
    }
    List<ContrastiveLoss.Part> parts = threads.run(work);
    List<Partial<FloatBuffer>> partials =
        fold.partials().stream()
            .map(p -> new Partial<>(p.node(), TouchedRows.floats(p.block())))
            .toList();
    FloatBuffer sum = FloatBuffer.allocate(header.passages() * hidden);
    exchange.reduceScatter(
        header.step(), Exchange.Kind.EMBEDDING_GRADIENTS, tree, partials, bounds, sum);
    for (SlotWork slot : slots) {
      int at = slot.batch().firstQuery() * header.groupSize() * hidden;
      slot.passageGradients(sum.slice(at, slot.passages().capacity()));
    }
    lastScores = parts.stream().map(part -> part.scores().toFloatArray()).toList();
    return parts.stream().mapToDouble(ContrastiveLoss.Part::loss).toArray();
  }

  private static NDArray add(NDArray left, NDArray right) {
    left.addi(right);
    right.close();
    return left;
  }

  private void backward(
      NDManager step,
      StepHeader header,
      SummationTree tree,
      List<SlotWork> slots,
      Exchange exchange) {
    TreeFold<GradientBlock> dense = new TreeFold<>(tree, this::add);
    TreeFold<RowSet> rows = RowSet.folding(tree);
    SlotOrder order = new SlotOrder(slots);
    threads.run(
        () ->
            order
                .next()
                .map(
                    piece ->
                        module -> {
                          backward(module, step, piece.slot(), piece.number(), tree, dense, rows);
                          order.done(piece);
                          return true;
                        }));
    reduce(header, tree, dense, rows, exchange);
  }

  private void backward(
      Module module,
      NDManager step,
      SlotWork slot,
      int number,
      SummationTree tree,
      TreeFold<GradientBlock> dense,
      TreeFold<RowSet> rows) {
    try (NDManager scope = step.newSubManager()) {
      NDArray upstream = slot.upstream(scope, number);
      NDList found = encoder.gradients(module, scope, slot.encoded(number), upstream);
      Torch.recordGraph(false);
      slot.turns()
          .take(
              number,
              () -> {
                GradientBlock block = number == 0 ? pool.take() : slot.gradients();
                slot.accumulate(module, step, number, found, block);
              });
    } catch (RuntimeException | Error e) {
      slot.turns().breakOff();
      throw e;
    } finally {
      Torch.recordGraph(true);
    }
    if (number == slot.microBatches() - 1) {
      int leaf = tree.leaf(slot.batch().slot());
      dense.add(new Partial<>(leaf, slot.gradients()));
      rows.add(new Partial<>(leaf, slot.touched().toRowSet()));
    }
  }

  private GradientBlock add(GradientBlock left, GradientBlock right) {
    Sums.addInto(left.values(), right.values());
    pool.give(right);
    return left;
  }

  private void reduce(
      StepHeader header,
      SummationTree tree,
      TreeFold<GradientBlock> dense,
      TreeFold<RowSet> rows,
      Exchange exchange) {
    List<Partial<FloatBuffer>> partials =
        dense.partials().stream().map(p -> new Partial<>(p.node(), p.block().values())).toList();
    FloatBuffer sum = reduced.denseValues();
    int[] bounds = evenBounds(sum.capacity(), exchange.members());
    exchange.reduceScatter(header.step(), Exchange.Kind.GRADIENTS, tree, partials, bounds, sum);
    exchange.allGather(header.step(), Exchange.Kind.GRADIENTS, sum, bounds);
    reduced.setRows(
        exchange.allReduceRows(
            header.step(), Exchange.Kind.EMBEDDING_ROWS, tree, rows.partials(), hidden));
    dense.partials().forEach(p -> pool.give(p.block()));
  }

  private static int[] evenBounds(int floats, int members) {
    int[] bounds = new int[members + 1];
    for (int m = 0; m <= members; m++) {
      bounds[m] = (int) ((long) floats * m / members / Block.ALIGNMENT * Block.ALIGNMENT);
    }
    bounds[members] = floats;
    return bounds;
  }

  @Override
  public void apply(long step) {
    if (!finite) {
      return;
    }
    updates++;
    double most = spec.optimizer().maxGradientNorm();
    double clip = most > 0 ? Math.min(1, most / (norm + 1e-6)) : 1;
    double rate = spec.optimizer().rateAt(step, spec.steps());
    optimizer.update(threads, reduced.gradients(), rate, updates, clip);
  }

  /** The score matrix rows of the own slots in the step computed last, for tests. */
  List<float[]> lastScores() {
    return lastScores;
  }

  /** The reduced gradient by segment, until the next {@link #apply}, for tests. */
  NDArray[] lastGradients() {
    return reduced.gradients();
  }

  @Override
  public void close() {
    threads.close();
    manager.close();
    state.close();
  }
}
