package org.dunlin.it.benchmark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.dunlin.data.plan.MicroBatchCut;
import org.dunlin.data.plan.SlotCut;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.BatchSpec;

/** A global batch of random tokens with given lengths, cut as the plan cuts. */
record BenchBatch(StepHeader header, List<SlotBatch> slots) {

  /**
   * Makes a batch.
   *
   * @param queryTokens length of each query
   * @param passageTokens length of each passage, query by query
   */
  static BenchBatch of(
      long step, int[] queryTokens, int[] passageTokens, BatchSpec spec, int vocabulary) {
    SplittableRandom random = new SplittableRandom(step);
    int group = spec.groupSize();
    int[] firstQuery = SlotCut.firstQueries(queryTokens.length, spec.slots());
    List<SlotBatch> slots = new ArrayList<>();
    for (int slot = 0; slot < spec.slots(); slot++) {
      int from = firstQuery[slot];
      int to = firstQuery[slot + 1];
      if (from == to) {
        continue;
      }
      int[] tokens =
          IntStream.concat(
                  Arrays.stream(queryTokens, from, to),
                  Arrays.stream(passageTokens, from * group, to * group))
              .toArray();
      int[][] ids =
          Arrays.stream(tokens)
              .mapToObj(length -> random.ints(length, 1000, vocabulary - 1).toArray())
              .toArray(int[][]::new);
      int[][] cut = MicroBatchCut.cut(tokens, spec);
      slots.add(new SlotBatch(step, slot, from, to - from, group, ids, cut, spec.padMultiple()));
    }
    long real = Arrays.stream(queryTokens).sum() + (long) Arrays.stream(passageTokens).sum();
    StepHeader header =
        new StepHeader(
            step,
            0,
            group,
            firstQuery,
            new long[queryTokens.length],
            new long[passageTokens.length],
            passageTokens.clone(),
            new float[0],
            true,
            new int[] {0, queryTokens.length},
            real,
            real);
    return new BenchBatch(header, slots);
  }
}
