package org.dunlin.data.state;

import org.dunlin.data.model.Tensor;

/**
 * One tensor's place: the unit of update and norm.
 *
 * @param tensor what it holds
 * @param decays whether weight decay applies to it
 * @param block which block it lies in
 * @param from its first float in the block, a multiple of 16 (64 bytes)
 */
public record Segment(Tensor tensor, boolean decays, int block, long from) {}
