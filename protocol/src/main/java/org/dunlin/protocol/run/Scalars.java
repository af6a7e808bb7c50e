package org.dunlin.protocol.run;

import org.dunlin.protocol.run.ComputeSpec.Precision;

/**
 * What of a run's state is no tensor. Every member derives the same from the same steps, bit for
 * bit; beside parameters and moments it is all that a run needs to go on from where it is.
 *
 * <p>The loss scale lifts small gradients over fp16's smallest number (the reference's section
 * 5.8): it starts at 65536, doubles after 2000 steps in a row that were applied, and halves with a
 * step that was skipped because its gradient was not finite. Being a power of two it changes no bit
 * of a gradient that neither over- nor underflows.
 *
 * @param updates applied so far: AdamW's t, and the place in the learning rate's course, which a
 *     skipped step advances no more than the reference does
 * @param lossScale what the embeddings' gradients are multiplied with before the backward pass and
 *     the reduced gradient is divided by; a power of two from {@link #LEAST_SCALE} to {@link
 *     #MOST_SCALE}, and always 1 unless the factors are fp16
 * @param goodSteps applied in a row since the scale last changed
 */
public record Scalars(long updates, double lossScale, int goodSteps) {
  /** PyTorch's first scale. */
  public static final double FIRST_SCALE = 1 << 16;

  /** Below 1 the scale would make fp16's underflow worse; what overflows at 1 is no gradient. */
  public static final double LEAST_SCALE = 1;

  /** Far from overflow in fp32, in which scaled gradients are summed, and more than fp16 needs. */
  public static final double MOST_SCALE = 1L << 32;

  /** Good steps in a row after which the scale doubles. */
  public static final int GROWTH_STEPS = 2000;

  public Scalars {
    Check.atLeast("updates", updates, 0);
    Check.within("loss scale", lossScale, LEAST_SCALE, MOST_SCALE);
    Check.within("good steps", goodSteps, 0, GROWTH_STEPS - 1);
    if (Math.scalb(1.0, Math.getExponent(lossScale)) != lossScale) {
      throw new IllegalArgumentException("loss scale: " + lossScale + " (expected: a power of 2)");
    }
  }

  /** Before the first step. */
  public static Scalars first(Precision precision) {
    return new Scalars(0, precision == Precision.FP16 ? FIRST_SCALE : 1, 0);
  }

  /**
   * After one more step.
   *
   * @param applied false if it was skipped
   */
  public Scalars after(Precision precision, boolean applied) {
    long next = applied ? updates + 1 : updates;
    if (precision != Precision.FP16) {
      return new Scalars(next, lossScale, 0);
    }
    if (!applied) {
      return new Scalars(next, Math.max(LEAST_SCALE, lossScale / 2), 0);
    }
    return goodSteps + 1 < GROWTH_STEPS
        ? new Scalars(next, lossScale, goodSteps + 1)
        : new Scalars(next, Math.min(MOST_SCALE, lossScale * 2), 0);
  }

  /** Whether a gradient that is not finite may be the scale's fault, and a smaller one its mend. */
  public boolean mayFall() {
    return lossScale > LEAST_SCALE;
  }
}
