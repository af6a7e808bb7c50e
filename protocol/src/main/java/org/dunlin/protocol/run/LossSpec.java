package org.dunlin.protocol.run;

import java.util.List;

/**
 * How embeddings become a loss.
 *
 * @param pooling which hidden states make the dense embedding
 * @param normalize whether embeddings are scaled to length 1 (L2, norm clamped below at 1e-12)
 * @param temperature what scores are divided by; greater than 0
 * @param maskDuplicates whether a passage whose text equals a query's own positive is left out of
 *     that query's negatives
 * @param distillation what a teacher's scores are used for, where a batch has them
 * @param matryoshkaDims the loss is the mean over these leading parts of the embedding, each
 *     normalised anew; empty for the whole embedding alone
 */
public record LossSpec(
    Pooling pooling,
    boolean normalize,
    double temperature,
    boolean maskDuplicates,
    Distillation distillation,
    List<Integer> matryoshkaDims) {

  /** Which hidden states make the dense embedding. */
  public enum Pooling {
    /** The first token's. */
    CLS,
    /** The mean over the tokens that are not padding. */
    MEAN,
    /** The last token's that is not padding. */
    LAST_TOKEN
  }

  /** What a teacher's scores of a query's own passages are used for (reference section 5.4). */
  public enum Distillation {
    /** Nothing. */
    NONE,
    /** Cross entropy with the teacher's softmax over the own passages, added to the contrast. */
    KL_DIV,
    /** BGE-M3's: each own passage in turn as the positive, weighted by the teacher's softmax. */
    M3_KD_LOSS
  }

  public LossSpec {
    Check.positive("loss.temperature", temperature);
    matryoshkaDims = List.copyOf(matryoshkaDims);
    for (int dim : matryoshkaDims) {
      Check.atLeast("loss.matryoshka-dims", dim, 1);
    }
  }

  /** The contrastive loss alone. */
  public static LossSpec contrastive(
      Pooling pooling, boolean normalize, double temperature, boolean maskDuplicates) {
    return new LossSpec(
        pooling, normalize, temperature, maskDuplicates, Distillation.NONE, List.of());
  }
}
