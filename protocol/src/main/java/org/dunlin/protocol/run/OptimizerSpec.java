package org.dunlin.protocol.run;

/**
 * AdamW with decoupled weight decay, and the learning rate's course.
 *
 * @param learningRate the peak, greater than 0
 * @param schedule its course after the warmup
 * @param warmupSteps steps of linear rise from 0; the first step of a warmup has rate 0
 * @param weightDecay applied to all parameters but biases and LayerNorms
 * @param beta1 decay of the first moment, 0 to 1
 * @param beta2 decay of the second moment, 0 to 1
 * @param epsilon added to the root of the second moment
 * @param maxGradientNorm the gradient is scaled down to this L2 norm; 0 switches clipping off
 * @param frozen which parameters stay as they are
 */
public record OptimizerSpec(
    double learningRate,
    Schedule schedule,
    long warmupSteps,
    double weightDecay,
    double beta1,
    double beta2,
    double epsilon,
    double maxGradientNorm,
    Frozen frozen) {

  /** Which parameters get neither gradients nor updates; they count in no norm. */
  public enum Frozen {
    NOTHING,
    /** The position embedding. */
    POSITIONS,
    /** All but the sparse and the multi-vector head. */
    ENCODER
  }

  /** The learning rate's course after the warmup. */
  public enum Schedule {
    CONSTANT,
    /** Straight down to 0 at the run's last step. */
    LINEAR,
    /** Half a cosine down to 0 at the run's last step. */
    COSINE
  }

  public OptimizerSpec {
    Check.positive("optimizer.learning-rate", learningRate);
    Check.atLeast("optimizer.warmup-steps", warmupSteps, 0);
    Check.within("optimizer.weight-decay", weightDecay, 0, 10);
    Check.within("optimizer.beta1", beta1, 0, 0.999999);
    Check.within("optimizer.beta2", beta2, 0, 0.999999999);
    Check.positive("optimizer.epsilon", epsilon);
    Check.within("optimizer.max-gradient-norm", maxGradientNorm, 0, 1e12);
  }

  /** With nothing frozen. */
  public OptimizerSpec(
      double learningRate,
      Schedule schedule,
      long warmupSteps,
      double weightDecay,
      double beta1,
      double beta2,
      double epsilon,
      double maxGradientNorm) {
    this(
        learningRate,
        schedule,
        warmupSteps,
        weightDecay,
        beta1,
        beta2,
        epsilon,
        maxGradientNorm,
        Frozen.NOTHING);
  }

  /**
   * The learning rate of an update: {@code s/w} of the peak while {@code s < w}, then constant,
   * {@code (T-s)/(T-w)} or half a cosine, as Hugging Face's schedules.
   *
   * @param step of the update, from 0
   * @param totalSteps of the run
   */
  public double rateAt(long step, long totalSteps) {
    if (step < warmupSteps) {
      return learningRate * ((double) step / Math.max(1, warmupSteps));
    }
    double left = Math.max(0, (double) (totalSteps - step) / Math.max(1, totalSteps - warmupSteps));
    return switch (schedule) {
      case CONSTANT -> learningRate;
      case LINEAR -> learningRate * left;
      case COSINE -> learningRate * 0.5 * (1 + StrictMath.cos(Math.PI * (1 - left)));
    };
  }
}
