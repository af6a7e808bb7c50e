package org.dunlin.worker.step;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;

/**
 * A step of made-up texts, to see whether its micro-batches fit into memory: one for each compute
 * thread, all at once, with no graph kept to save time. Parameters are zeros, which take as much
 * memory as any others.
 *
 * <p>One caller at a time. Close it: it owns what a {@link StepCompute} owns.
 */
public final class MicroBatchTrial implements AutoCloseable {
  private final RunSpec spec;
  private final int computeThreads;
  private final StepCompute device;

  /** Takes the memory that a worker of this run holds from its first step on. */
  public MicroBatchTrial(RunSpec spec, int computeThreads) {
    this.spec = spec;
    this.computeThreads = computeThreads;
    Memory memory = new Memory(spec.compute().recomputesLayers(), 0);
    this.device = new StepCompute(spec, computeThreads, memory, Optional.empty());
  }

  /**
   * Takes them there and back, and beside them a query, alone in a micro-batch of its own.
   *
   * @param rows of each, at least 1
   * @param tokens of each row, at least 1
   * @throws org.dunlin.worker.engine.MemoryShort if they do not fit
   */
  public void run(int rows, int tokens) {
    int passages = rows * computeThreads;
    int[] lengths = new int[1 + passages];
    Arrays.fill(lengths, tokens);
    lengths[0] = Math.min(tokens, spec.batch().queryMaxTokens());
    int[][] cut = new int[computeThreads + 1][];
    for (int thread = 0; thread < computeThreads; thread++) {
      cut[thread] = IntStream.range(1 + thread * rows, 1 + (thread + 1) * rows).toArray();
    }
    cut[computeThreads] = new int[] {0};
    SlotBatch slot = new SlotBatch(0, 0, 0, 1, passages, ids(lengths), cut, 1);
    device.compute(
        header(lengths), List.of(slot), new Alone(), new int[] {0, spec.batch().slots()});
  }

  /** As many different tokens as there can be, because each has a row of the gradient. */
  private int[][] ids(int[] lengths) {
    int vocabulary = spec.encoder().vocabulary();
    int[][] ids = new int[lengths.length][];
    int next = 0;
    for (int text = 0; text < ids.length; text++) {
      int first = next;
      ids[text] = IntStream.range(0, lengths[text]).map(t -> (first + t) % vocabulary).toArray();
      next = (first + lengths[text]) % vocabulary;
    }
    return ids;
  }

  // All of it in the first slot.
  private StepHeader header(int[] lengths) {
    int passages = lengths.length - 1;
    int[] firstQuery = new int[spec.batch().slots() + 1];
    Arrays.fill(firstQuery, 1, firstQuery.length, 1);
    long tokens = IntStream.of(lengths).asLongStream().sum();
    return new StepHeader(
        0,
        0,
        passages,
        firstQuery,
        new long[1],
        IntStream.range(0, passages).asLongStream().toArray(),
        Arrays.copyOfRange(lengths, 1, lengths.length),
        new float[0],
        true,
        new int[] {0, 1},
        tokens,
        tokens);
  }

  @Override
  public void close() {
    device.close();
  }
}
