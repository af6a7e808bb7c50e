package org.dunlin.data.feed;

import java.util.List;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;

/**
 * All of a step: what every member gets, and each slot's share.
 *
 * @param header of the step
 * @param slots batches of the slots that are not empty, ascending
 */
public record StepBatch(StepHeader header, List<SlotBatch> slots) {}
