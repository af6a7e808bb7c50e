package org.dunlin.coordinator.step;

/**
 * What time or a machine decided, so that a run can be told again: durable before anything follows
 * from it.
 */
public sealed interface RunRecord permits CutRecord, EvaluationDue, EvaluationRecord {}
