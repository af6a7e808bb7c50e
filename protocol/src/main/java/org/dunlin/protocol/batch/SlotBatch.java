package org.dunlin.protocol.batch;

/**
 * One slot's share of a global batch: token ids and their cut into micro-batches.
 *
 * <p>Rows are the slot's queries in order, then its passages, query by query, the positive first in
 * each group. Row r is query r for {@code r < queries}; else passage {@code r - queries}.
 *
 * @param step from 0
 * @param slot from 0
 * @param firstQuery the number of this slot's first query in the global batch
 * @param queries of this slot, at least 1
 * @param groupSize passages of each query
 * @param tokenIds {@code [queries * (1 + groupSize)][tokens]}, with special tokens, not padded
 * @param microBatches {@code [micro-batches][rows]}: every row exactly once; each is padded to its
 *     longest row, then up to {@link #padMultiple}
 * @param padMultiple 1 for none
 */
public record SlotBatch(
    long step,
    int slot,
    int firstQuery,
    int queries,
    int groupSize,
    int[][] tokenIds,
    int[][] microBatches,
    int padMultiple)
    implements FeedItem {

  public SlotBatch {
    if (tokenIds.length != queries * (1 + groupSize)) {
      throw new IllegalArgumentException(
          "step %d slot %d: %d rows (expected: %d)"
              .formatted(step, slot, tokenIds.length, queries * (1 + groupSize)));
    }
  }

  /** The same rows in other micro-batches. */
  public SlotBatch withMicroBatches(int[][] cut) {
    return new SlotBatch(step, slot, firstQuery, queries, groupSize, tokenIds, cut, padMultiple);
  }

  /** The padded length of a micro-batch, in tokens. */
  public int paddedTokens(int microBatch) {
    int longest = 1;
    for (int row : microBatches[microBatch]) {
      longest = Math.max(longest, tokenIds[row].length);
    }
    return (longest + padMultiple - 1) / padMultiple * padMultiple;
  }

  /**
   * A number for a row that is unique in the global batch and does not depend on slots: dropout
   * masks are drawn from it.
   */
  public long rowNumber(int row) {
    long query = row < queries ? row : (row - queries) / groupSize;
    long within = row < queries ? 0 : 1 + (row - queries) % groupSize;
    return (firstQuery + query) * (1 + groupSize) + within;
  }
}
