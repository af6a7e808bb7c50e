package org.dunlin.coordinator.step;

import org.dunlin.protocol.message.StepResult;

/**
 * How many of the last steps in a row had a loss or a gradient that is not finite.
 *
 * <p>While fp16's loss scale may still fall, an overflow of the gradient alone is in order: such a
 * step neither counts nor ends the row.
 *
 * @param inARow 0 if the last one was in order
 * @param loss of the last one that counted
 * @param gradientNorm of the same
 */
record NotFinite(long inARow, double loss, double gradientNorm) {
  static final NotFinite NONE = new NotFinite(0, 0, 0);

  /** Of a run that goes on after so many in a row. */
  static NotFinite after(long inARow) {
    return inARow == 0 ? NONE : new NotFinite(inARow, Double.NaN, Double.NaN);
  }

  /** After one more step. */
  NotFinite after(double nextLoss, StepResult result) {
    if (!Double.isFinite(nextLoss) || !(result.applied() || result.scalars().mayFall())) {
      return new NotFinite(inARow + 1, nextLoss, result.gradientNorm());
    }
    return result.applied() ? NONE : this;
  }

  /**
   * Whether that is enough.
   *
   * @param most steps in a row; 0 is never reached
   */
  boolean reaches(long most) {
    return most > 0 && inARow >= most;
  }

  /** Why the run ends after this step. */
  String sentence(long step) {
    String what =
        Double.isFinite(loss) ? "the gradient's norm is " + gradientNorm : "the loss is " + loss;
    return "step %d: %s; steps in a row that are not finite: %d (expected: fewer than train.max-non-finite-steps); lower optimizer.learning-rate or mend the data"
        .formatted(step, what, inARow);
  }
}
