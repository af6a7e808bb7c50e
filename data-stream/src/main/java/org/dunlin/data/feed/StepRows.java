package org.dunlin.data.feed;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.dunlin.data.plan.MicroBatchCut;
import org.dunlin.data.plan.SlotCut;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.BatchSpec;

/**
 * The samples of one step's global batches, before it has a number, slots and micro-batches.
 *
 * @param epoch from 0
 * @param samples in the batches' order
 * @param firstQueryOfPool {@code [batches + 1]}: where each batch begins, as in {@link StepHeader}
 */
record StepRows(int epoch, List<TokenizedSample> samples, int[] firstQueryOfPool) {

  StepBatch cut(long step, BatchSpec batch) {
    int[] firstQuery = SlotCut.firstQueries(samples.size(), batch.slots());
    List<SlotBatch> slots = new ArrayList<>();
    for (int slot = 0; slot < batch.slots(); slot++) {
      if (firstQuery[slot] < firstQuery[slot + 1]) {
        slots.add(slot(step, slot, firstQuery, batch));
      }
    }
    return new StepBatch(
        new StepHeader(
            step,
            epoch,
            groupSize(),
            firstQuery,
            samples.stream().mapToLong(TokenizedSample::id).toArray(),
            samples.stream().flatMapToLong(s -> Arrays.stream(s.passageHashes())).toArray(),
            samples.stream()
                .flatMapToInt(s -> Arrays.stream(s.passages()).mapToInt(ids -> ids.length))
                .toArray(),
            teacherScores(),
            samples.get(0).inBatchNegatives(),
            firstQueryOfPool,
            samples.stream().mapToLong(TokenizedSample::tokens).sum(),
            StepBatch.paddedTokens(slots)),
        List.copyOf(slots));
  }

  private float[] teacherScores() {
    float[] all = new float[samples.size() * samples.get(0).teacherScores().length];
    for (int query = 0; query < samples.size(); query++) {
      float[] own = samples.get(query).teacherScores();
      System.arraycopy(own, 0, all, query * own.length, own.length);
    }
    return all;
  }

  /** Of all samples alike: a batch is of one source. */
  private int groupSize() {
    return samples.get(0).passages().length;
  }

  private SlotBatch slot(long step, int slot, int[] firstQuery, BatchSpec batch) {
    List<TokenizedSample> own = samples.subList(firstQuery[slot], firstQuery[slot + 1]);
    int[][] rows =
        Stream.concat(
                own.stream().map(TokenizedSample::query),
                own.stream().flatMap(sample -> Arrays.stream(sample.passages())))
            .toArray(int[][]::new);
    return new SlotBatch(
        step,
        slot,
        firstQuery[slot],
        own.size(),
        groupSize(),
        rows,
        MicroBatchCut.cut(StepBatch.lengths(rows), batch),
        batch.padMultiple());
  }
}
