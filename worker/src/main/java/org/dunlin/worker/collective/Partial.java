package org.dunlin.worker.collective;

/**
 * The sum over one complete subtree of the slots.
 *
 * @param node heap index in the {@link SummationTree}: 1 is the root, {@code slots + s} is slot s
 * @param block the sum
 */
public record Partial<B>(int node, B block) {}
