package org.dunlin.worker.evaluate;

import java.util.PriorityQueue;
import java.util.stream.IntStream;

/**
 * Finds the documents with the greatest inner products by computing all of them.
 *
 * <p>A product is summed over dimensions in ascending order in float32, so ties and near-ties fall
 * alike on every machine and for any number of threads.
 */
public final class ExactSearch {
  /** Documents of a tile: with its sums it stays in the first-level cache's neighbourhood. */
  private static final int TILE = 256;

  private ExactSearch() {}

  /**
   * The best documents of each query, best first; of equal ones the lower index is the better.
   *
   * @param queries {@code [queries][width]}
   * @param documents {@code [documents][width]}
   * @param most how many to give, at least 1; fewer if there are fewer
   */
  public static int[][] best(float[][] queries, float[][] documents, int most) {
    if (most < 1) {
      throw new IllegalArgumentException("most: " + most + " (expected: >= 1)");
    }
    if (queries.length == 0) {
      return new int[0][];
    }
    int width = queries[0].length;
    float[][] tiles = tiles(documents, width);
    return IntStream.range(0, queries.length)
        .parallel()
        .mapToObj(q -> best(queries[q], tiles, documents.length, most))
        .toArray(int[][]::new);
  }

  // Turned, [tiles][width * TILE], so that the innermost loop runs over documents and vectorises.
  private static float[][] tiles(float[][] documents, int width) {
    float[][] tiles = new float[(documents.length + TILE - 1) / TILE][width * TILE];
    for (int d = 0; d < documents.length; d++) {
      if (documents[d].length != width) {
        throw new IllegalArgumentException(
            "document %d: %d dimensions (expected: %d)".formatted(d, documents[d].length, width));
      }
      for (int i = 0; i < width; i++) {
        tiles[d / TILE][i * TILE + d % TILE] = documents[d][i];
      }
    }
    return tiles;
  }

  private static int[] best(float[] query, float[][] tiles, int documents, int most) {
    PriorityQueue<Long> kept = new PriorityQueue<>(); // the worst first
    float[] sums = new float[TILE];
    for (int t = 0; t < tiles.length; t++) {
      multiply(query, tiles[t], sums);
      int inTile = Math.min(TILE, documents - t * TILE);
      for (int d = 0; d < inTile; d++) {
        long key = key(sums[d], t * TILE + d);
        if (kept.size() < most) {
          kept.add(key);
        } else if (key > kept.element()) {
          kept.remove();
          kept.add(key);
        }
      }
    }
    int[] best = new int[kept.size()];
    for (int b = best.length - 1; b >= 0; b--) {
      best[b] = ~(int) (long) kept.remove();
    }
    return best;
  }

  private static void multiply(float[] query, float[] tile, float[] sums) {
    java.util.Arrays.fill(sums, 0);
    for (int i = 0; i < query.length; i++) {
      float weight = query[i];
      int at = i * TILE;
      for (int d = 0; d < TILE; d++) {
        sums[d] += weight * tile[at + d];
      }
    }
  }

  // Greater for a greater score, then for a lower index. What is not a number is the worst.
  private static long key(float score, int document) {
    int bits = Float.floatToIntBits(Float.isNaN(score) ? Float.NEGATIVE_INFINITY : score + 0.0f);
    int ordered = bits >= 0 ? bits : bits ^ Integer.MAX_VALUE;
    return ((long) ordered << Integer.SIZE) | (~document & 0xFFFF_FFFFL);
  }
}
