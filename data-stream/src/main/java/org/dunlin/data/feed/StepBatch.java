package org.dunlin.data.feed;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dunlin.data.plan.MicroBatchCut;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.BatchSpec;

/**
 * All of a step: what every member gets, and each slot's share.
 *
 * @param header of the step
 * @param slots batches of the slots that are not empty, ascending
 */
public record StepBatch(StepHeader header, List<SlotBatch> slots) {

  /** The same step with its slots cut into micro-batches anew. */
  public StepBatch cut(BatchSpec batch) {
    List<SlotBatch> cut =
        slots.stream()
            .map(slot -> slot.withMicroBatches(MicroBatchCut.cut(lengths(slot.tokenIds()), batch)))
            .toList();
    return new StepBatch(header.withPaddedTokens(paddedTokens(cut)), cut);
  }

  /** What these slots cost to compute, in tokens. */
  static long paddedTokens(List<SlotBatch> slots) {
    return slots.stream().mapToLong(StepBatch::paddedTokens).sum();
  }

  static int[] lengths(int[][] rows) {
    return Arrays.stream(rows).mapToInt(row -> row.length).toArray();
  }

  private static long paddedTokens(SlotBatch slot) {
    return IntStream.range(0, slot.microBatches().length)
        .mapToLong(
            number -> {
              int[] rows = slot.microBatches()[number];
              int longest = slot.paddedTokens(number);
              long real = Arrays.stream(rows).mapToLong(row -> slot.tokenIds()[row].length).sum();
              return MicroBatchCut.work((long) rows.length * longest, longest, real);
            })
        .sum();
  }
}
