package org.dunlin.worker.evaluate;

import java.util.Map;

/**
 * How well a query and a passage match, by each kind of embedding; no number for a kind that the
 * model has not.
 *
 * @param dense product of the dense embeddings
 * @param sparse sum over shared token ids of the products of their weights
 * @param colbert mean over the query's token vectors of the best product with a passage's
 */
public record PairScores(double dense, double sparse, double colbert) {

  /** Which of them are put together. */
  public enum Mode {
    DENSE("dense"),
    SPARSE("sparse"),
    COLBERT("colbert"),
    SPARSE_DENSE("sparse+dense"),
    COLBERT_SPARSE_DENSE("colbert+sparse+dense");

    private final String word;

    Mode(String word) {
      this.word = word;
    }

    /** As FlagEmbedding names it. */
    @Override
    public String toString() {
      return word;
    }
  }

  /** What a mixed score weighs its parts with; not negative. */
  public record Weights(double dense, double sparse, double colbert) {
    public static final Weights EQUAL = new Weights(1, 1, 1);

    public Weights {
      if (!(dense >= 0 && sparse >= 0 && colbert >= 0)
          || !Double.isFinite(dense + sparse + colbert)) {
        throw new IllegalArgumentException(
            "weights: %s,%s,%s (expected: finite numbers, >= 0)".formatted(dense, sparse, colbert));
      }
    }

    /** What a mode's weights add up to: a mixed score is divided by it, so it must not be 0. */
    public double sum(Mode mode) {
      return switch (mode) {
        case DENSE, SPARSE, COLBERT -> 1;
        case SPARSE_DENSE -> dense + sparse;
        case COLBERT_SPARSE_DENSE -> dense + sparse + colbert;
      };
    }
  }

  /** The score in a mode. */
  public double in(Mode mode, Weights weights) {
    return switch (mode) {
      case DENSE -> dense;
      case SPARSE -> sparse;
      case COLBERT -> colbert;
      case SPARSE_DENSE ->
          (weights.dense() * dense + weights.sparse() * sparse) / weights.sum(mode);
      case COLBERT_SPARSE_DENSE ->
          (weights.dense() * dense + weights.sparse() * sparse + weights.colbert() * colbert)
              / weights.sum(mode);
    };
  }

  /** The inner product of two vectors of equal width. */
  public static double product(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  /** The inner product of two sets of weights by token id. */
  public static double product(Map<Integer, Float> a, Map<Integer, Float> b) {
    double sum = 0;
    for (Map.Entry<Integer, Float> entry : a.entrySet()) {
      sum += (double) entry.getValue() * b.getOrDefault(entry.getKey(), 0f);
    }
    return sum;
  }
}
