package org.dunlin.worker.member;

/**
 * How a worker's life ended.
 *
 * @param failed whether it could not take part, or could not go on; false if it was sent away in
 *     order
 * @param reason a sentence
 */
public record WorkerEnd(boolean failed, String reason) {}
