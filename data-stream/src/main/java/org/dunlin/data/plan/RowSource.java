package org.dunlin.data.plan;

/**
 * Rows that may meet in a batch, and what holds for their batches.
 *
 * @param rows ascending
 * @param pairs queries of a batch
 * @param groupSize passages of a query
 * @param inBatchNegatives whether other queries' passages are negatives too
 * @param isScored whether the rows have teacher scores that are used
 * @param symmetric whether passages are given the query's instruction
 */
public record RowSource(
    int[] rows,
    int pairs,
    int groupSize,
    boolean inBatchNegatives,
    boolean isScored,
    boolean symmetric) {}
