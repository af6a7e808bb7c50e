package org.dunlin.worker.hang;

import java.time.Duration;

/**
 * When a piece of work hangs.
 *
 * @param look how often that is asked, which is also how exactly time is taken; a pause of the
 *     process counts as {@link HangJudge#MOST_LOOKS} of it
 * @param least no piece hangs before
 * @param factor how many times as long as expected a piece may take, at least 1
 * @param first how long a piece may take before another one of its kind was done
 */
public record HangLimits(Duration look, Duration least, int factor, Duration first) {
  /** What workers use. */
  public static final HangLimits USUAL =
      new HangLimits(Duration.ofSeconds(1), Duration.ofSeconds(30), 20, Duration.ofMinutes(10));

  /** Refuses what makes no sense. */
  public HangLimits {
    if (!look.isPositive() || !least.isPositive() || !first.isPositive() || factor < 1) {
      throw new IllegalArgumentException(
          "look %s, least %s, first %s, factor %d (expected: positive)"
              .formatted(look, least, first, factor));
    }
  }
}
