package org.dunlin.worker.collective;

import java.nio.FloatBuffer;

/**
 * The sum over one complete subtree of the slots.
 *
 * @param node heap index in the {@link SummationTree}: 1 is the root, {@code slots + s} is slot s
 * @param values the sum; position 0 to limit
 */
public record Partial(int node, FloatBuffer values) {}
