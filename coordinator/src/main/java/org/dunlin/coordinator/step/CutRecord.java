package org.dunlin.coordinator.step;

import org.dunlin.protocol.run.MicroBatchLimit;

/**
 * The record that memory ran out (design section 1): from a step on, micro-batches have one limit
 * more, on every worker, because a smaller micro-batch gives other bits.
 *
 * @param fromStep the step that hit it, which is computed anew
 * @param limit what holds from there on, beside those before
 */
public record CutRecord(long fromStep, MicroBatchLimit limit) implements RunRecord {}
