package org.dunlin.protocol.run;

/**
 * How the encoder's passes are computed.
 *
 * @param precision of the encoder's products; parameters, moments, heads and losses are always
 *     float32
 * @param recomputesLayers whether a layer's inner values are computed again in the backward pass
 *     instead of kept (gradient checkpointing). It changes memory and time; not a bit of the result
 * @param reduction how the parameters' gradients are summed over the members
 */
public record ComputeSpec(Precision precision, boolean recomputesLayers, Reduction reduction) {
  /** Exact to the reference, and all that fits is kept. */
  public static final ComputeSpec PLAIN = new ComputeSpec(Precision.FP32, false);

  /** How gradients are summed. */
  public enum Reduction {
    /** In one fixed tree over the slots: the bits do not depend on the members. */
    ORDERED,
    /**
     * Each member's own first, so that it sends one sum and not several: bits depend on members.
     */
    FAST
  }

  /** Summed in the fixed tree. */
  public ComputeSpec(Precision precision, boolean recomputesLayers) {
    this(precision, recomputesLayers, Reduction.ORDERED);
  }

  /** The type of factors in the encoder's products. */
  public enum Precision {
    FP32,
    BF16,
    FP16
  }
}
