package org.dunlin.coordinator.step;

import org.dunlin.data.draws.Draws;

/**
 * Which steps of a run are computed twice before they count, by other members the second time: one
 * in each so many, drawn by the run's seed, and the same whoever asks.
 *
 * @param every steps, at most {@link Integer#MAX_VALUE}; 0: none are
 * @param seed of the run
 */
public record AuditPlan(long every, long seed) {
  /** Of a run that audits nothing. */
  public static final AuditPlan NONE = new AuditPlan(0, 0);

  public AuditPlan {
    if (every < 0 || every > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "every: %d (expected: 0 to %d)".formatted(every, Integer.MAX_VALUE));
    }
  }

  /** Whether a step, from 0, is audited. */
  public boolean audits(long step) {
    return every > 0
        && new Draws(seed, Draws.Kind.AUDIT, 0, step / every).below((int) every) == step % every;
  }
}
