package org.dunlin.worker.step;

import java.util.Map;

/**
 * All that a model says of a text.
 *
 * @param dense [hidden]
 * @param lexical token id to weight, all above 0, in the order of the text; empty without heads
 * @param vectors one a token but the first, {@code [tokens - 1][width]}; empty without heads
 */
public record Embedding(float[] dense, Map<Integer, Float> lexical, float[][] vectors) {}
