package org.dunlin.coordinator.step;

/**
 * What an evaluation came to.
 *
 * @param steps of the state
 * @param set what it was measured with: a SHA-256
 * @param figure greater is better; no number if it could not be measured
 */
public record EvaluationRecord(long steps, String set, double figure) implements RunRecord {}
