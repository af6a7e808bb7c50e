package org.dunlin.protocol.run;

/**
 * How the encoder's passes are computed.
 *
 * @param precision of the encoder's products; parameters, moments, heads and losses are always
 *     float32
 * @param recomputesLayers whether a layer's inner values are computed again in the backward pass
 *     instead of kept (gradient checkpointing). It changes memory and time; not a bit of the result
 */
public record ComputeSpec(Precision precision, boolean recomputesLayers) {
  /** Exact to the reference, and all that fits is kept. */
  public static final ComputeSpec PLAIN = new ComputeSpec(Precision.FP32, false);

  /** The type of factors in the encoder's products. */
  public enum Precision {
    FP32,
    BF16,
    FP16
  }
}
