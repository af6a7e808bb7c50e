package org.dunlin.worker.loss;

import java.nio.FloatBuffer;

/**
 * Texts' embeddings, or their gradients, in flat buffers.
 *
 * @param places where which text lies
 * @param dense from {@link Places#dense}
 * @param ids the token id that a lexical weight stands for, -1 where it stands for none (it is
 *     silent, or another token of the text with the same id weighs more); from {@link
 *     Places#lexical}. Ids are below 2^24 and exact as floats. Without meaning for gradients
 * @param weights lexical weights, 0 where there is no id
 * @param vectors from {@link Places#vectorFloat}
 */
public record Embeddings(
    Places places, FloatBuffer dense, FloatBuffer ids, FloatBuffer weights, FloatBuffer vectors) {

  /** Zeros in heap memory. */
  public static Embeddings allocate(Places places) {
    int rows = places.rows();
    return new Embeddings(
        places,
        FloatBuffer.allocate(places.dense(rows)),
        FloatBuffer.allocate(places.lexical(rows)),
        FloatBuffer.allocate(places.lexical(rows)),
        FloatBuffer.allocate(places.vectorFloat(rows)));
  }

  /** Some of the texts, over the same memory. */
  public Embeddings from(int first, int end) {
    return new Embeddings(
        places.from(first, end),
        part(dense, places.dense(first), places.dense(end)),
        part(ids, places.lexical(first), places.lexical(end)),
        part(weights, places.lexical(first), places.lexical(end)),
        part(vectors, places.vectorFloat(first), places.vectorFloat(end)));
  }

  /** Puts others, as many, in place of these from a text on. */
  public void put(int first, Embeddings others) {
    copy(others.dense, dense, places.dense(first));
    copy(others.ids, ids, places.lexical(first));
    copy(others.weights, weights, places.lexical(first));
    copy(others.vectors, vectors, places.vectorFloat(first));
  }

  private static FloatBuffer part(FloatBuffer whole, int from, int to) {
    return whole.slice(from, to - from);
  }

  private static void copy(FloatBuffer from, FloatBuffer into, int at) {
    into.put(at, from, 0, from.capacity());
  }
}
