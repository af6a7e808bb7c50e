package org.dunlin.coordinator.step;

/**
 * A state will be measured once it is committed: whoever coordinates then must have its checkpoint
 * written before the next step counts.
 *
 * @param point what of the state is no tensor
 */
public record EvaluationDue(CheckpointPoint point) implements RunRecord {}
