package org.dunlin.protocol.run;

/**
 * How embeddings become a loss.
 *
 * @param pooling which hidden states make the dense embedding
 * @param normalize whether embeddings are scaled to length 1 (L2, norm clamped below at 1e-12)
 * @param temperature what scores are divided by; greater than 0
 * @param maskDuplicates whether a passage whose text equals a query's own positive is left out of
 *     that query's negatives
 */
public record LossSpec(
    Pooling pooling, boolean normalize, double temperature, boolean maskDuplicates) {

  /** Which hidden states make the dense embedding. */
  public enum Pooling {
    /** The first token's. */
    CLS,
    /** The mean over the tokens that are not padding. */
    MEAN,
    /** The last token's that is not padding. */
    LAST_TOKEN
  }

  public LossSpec {
    Check.positive("loss.temperature", temperature);
  }
}
