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
 * @param distillation what teacher scores do, in steps that have them
 * @param selfDistillStart heads learn from their ensemble in forwards with a number above this,
 *     counted from 0 through the run, one for each pool of a step; -1 from the first, {@link
 *     #NEVER} not at all
 * @param matryoshkaDims leading parts of the dense embedding, each of which is scaled to length 1
 *     by itself and has the loss; their mean is trained. Empty: the whole embedding alone
 * @param padsInMaxSim FlagEmbedding's oddity: the padding of a passage that is shorter than the
 *     longest of its pool offers similarity 0 to every query token
 */
public record LossSpec(
    Pooling pooling,
    boolean normalize,
    double temperature,
    boolean maskDuplicates,
    Distillation distillation,
    long selfDistillStart,
    List<Integer> matryoshkaDims,
    boolean padsInMaxSim) {

  /** No self-distillation. */
  public static final long NEVER = Long.MAX_VALUE;

  /** Which hidden states make the dense embedding. */
  public enum Pooling {
    /** The first token's. */
    CLS,
    /** The mean over the tokens that are not padding. */
    MEAN,
    /** The last token's that is not padding. */
    LAST_TOKEN
  }

  /** What a teacher's scores of a query's own group do. */
  public enum Distillation {
    /** Nothing. */
    NONE,
    /** The cross entropy with the teacher's softmax is added to the contrastive loss. */
    KL_DIV,
    /** A weighted sum of contrastive losses, one a passage of the group, replaces it. */
    M3_KD_LOSS
  }

  public LossSpec {
    Check.positive("loss.temperature", temperature);
    Check.atLeast("loss.self-distill-start", selfDistillStart, -1);
    matryoshkaDims = List.copyOf(matryoshkaDims);
    matryoshkaDims.forEach(width -> Check.atLeast("loss.mrl-dims", width, 1));
  }

  /** The contrastive loss alone. */
  public static LossSpec contrastive(
      Pooling pooling, boolean normalize, double temperature, boolean maskDuplicates) {
    return new LossSpec(
        pooling,
        normalize,
        temperature,
        maskDuplicates,
        Distillation.NONE,
        NEVER,
        List.of(),
        false);
  }
}
