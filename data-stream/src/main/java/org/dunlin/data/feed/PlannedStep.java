package org.dunlin.data.feed;

/**
 * Which samples the plan gives to a step.
 *
 * @param epoch from 0
 * @param sampleIds in the batch's order, as in the step's header
 */
public record PlannedStep(int epoch, long[] sampleIds) {}
