package org.dunlin.protocol.run;

import java.util.ArrayList;
import java.util.List;

/**
 * How samples become global batches, slots and micro-batches. None of it depends on the machines.
 *
 * @param pairs queries of a global batch
 * @param tokens if greater than 0, a global batch is closed before its real tokens exceed this, and
 *     {@code pairs} is its upper limit
 * @param groupSize passages of a query: one positive and {@code groupSize - 1} negatives
 * @param slots fixed shares of a global batch, a power of two
 * @param microBatchTokens most tokens, padding included, that pass the encoder at once
 * @param sortWindowBatches samples are sorted by length within this many batches
 * @param queryMaxTokens queries are cut to this many tokens, special ones included
 * @param passageMaxTokens passages are cut to this many tokens, special ones included
 * @param padMultiple rows are padded up to a multiple of this many tokens
 * @param pools global batches that one step sums the gradients of (gradient accumulation), each
 *     with negatives of its own; a step then has {@code pools * pairs} queries
 * @param microBatchRows most rows that pass the encoder at once; 0: any number
 * @param microBatchLimits further limits by length, all of which hold
 */
public record BatchSpec(
    int pairs,
    long tokens,
    int groupSize,
    int slots,
    int microBatchTokens,
    int sortWindowBatches,
    int queryMaxTokens,
    int passageMaxTokens,
    int padMultiple,
    int pools,
    int microBatchRows,
    List<MicroBatchLimit> microBatchLimits) {

  /** A limit that keeps the summation tree and its partial sums small. */
  public static final int MAX_SLOTS = 1024;

  public BatchSpec {
    Check.atLeast("batch.size", pairs, 1);
    Check.atLeast("batch.tokens", tokens, 0);
    Check.atLeast("data.group-size", groupSize, 1);
    Check.within("slots", slots, 1, MAX_SLOTS);
    if (Integer.bitCount(slots) != 1) {
      throw new IllegalArgumentException("slots: " + slots + " (expected: a power of two)");
    }
    Check.atLeast("micro-batch.tokens", microBatchTokens, 1);
    Check.atLeast("batch.sort-window", sortWindowBatches, 1);
    Check.atLeast("data.query-max-tokens", queryMaxTokens, 2);
    Check.atLeast("data.passage-max-tokens", passageMaxTokens, 2);
    Check.atLeast("batch.pad-multiple", padMultiple, 1);
    Check.within("train.accumulation", pools, 1, 1 << 16);
    Check.atLeast("micro-batch.rows", microBatchRows, 0);
    microBatchLimits = List.copyOf(microBatchLimits);
  }

  /** Without gradient accumulation and without a limit on rows. */
  public BatchSpec(
      int pairs,
      long tokens,
      int groupSize,
      int slots,
      int microBatchTokens,
      int sortWindowBatches,
      int queryMaxTokens,
      int passageMaxTokens,
      int padMultiple) {
    this(
        pairs,
        tokens,
        groupSize,
        slots,
        microBatchTokens,
        sortWindowBatches,
        queryMaxTokens,
        passageMaxTokens,
        padMultiple,
        1,
        0,
        List.of());
  }

  /** With one limit more. */
  public BatchSpec with(MicroBatchLimit limit) {
    List<MicroBatchLimit> more = new ArrayList<>(microBatchLimits);
    more.add(limit);
    return withLimits(more);
  }

  /** With these limits by length instead of its own. */
  public BatchSpec withLimits(List<MicroBatchLimit> limits) {
    return new BatchSpec(
        pairs,
        tokens,
        groupSize,
        slots,
        microBatchTokens,
        sortWindowBatches,
        queryMaxTokens,
        passageMaxTokens,
        padMultiple,
        pools,
        microBatchRows,
        limits);
  }

  /**
   * Most rows of a micro-batch, at least 1.
   *
   * @param tokens that each is padded to, at most {@link #microBatchTokens}
   */
  public int mostRows(int tokens) {
    int rows = Math.max(1, mostTokens(tokens) / tokens);
    return microBatchRows > 0 ? Math.min(rows, microBatchRows) : rows;
  }

  /**
   * Most tokens of a micro-batch, padding included; a single row passes in any case.
   *
   * @param tokens that each row is padded to
   */
  public int mostTokens(int tokens) {
    int most = microBatchTokens;
    for (MicroBatchLimit limit : microBatchLimits) {
      most = tokens >= limit.minTokens() ? Math.min(most, limit.mostTokens()) : most;
    }
    return most;
  }

  /**
   * The default number of slots: the largest power of two up to 32 that leaves at least 8 queries a
   * slot, at least 8.
   */
  public static int defaultSlots(int pairs) {
    int slots = 8;
    while (slots < 32 && pairs / (slots * 2) >= 8) {
      slots *= 2;
    }
    return slots;
  }
}
