package org.dunlin.worker.collective;

import java.nio.FloatBuffer;

/**
 * The sum over one complete subtree of the slots, of a table of which only some rows are touched.
 *
 * @param node heap index in the {@link SummationTree}
 * @param rows the touched rows' numbers, strictly ascending
 * @param width floats of a row
 * @param values {@code [rows.length * width]}, row by row
 */
public record PartialRows(int node, int[] rows, int width, FloatBuffer values) {}
