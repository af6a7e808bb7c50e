package org.dunlin.conf.launch;

import java.util.Optional;

/**
 * When to try again what does not work yet. Pure.
 *
 * @param limitMs after which no attempt begins
 */
record BackOff(long limitMs) {
  private static final long LEAST_MS = 250;
  private static final long MOST_MS = 5_000;
  private static final long TELL_EVERY_MS = 30_000;

  /**
   * What follows a failed attempt.
   *
   * @param pauseMs before the next one
   * @param tells whether a person should hear of it now
   */
  record Next(long pauseMs, boolean tells) {}

  /**
   * Decides what follows.
   *
   * @param attempts that have failed, at least 1
   * @param sinceMs the first one began
   * @param toldMs how long ago a person heard of it; less than 0: never
   * @return empty where it is time to give up
   */
  Optional<Next> after(int attempts, long sinceMs, long toldMs) {
    long leftMs = limitMs - sinceMs;
    if (leftMs <= 0) {
      return Optional.empty();
    }
    long pauseMs = LEAST_MS << Math.min(attempts - 1, 10);
    return Optional.of(
        new Next(
            Math.min(leftMs, Math.min(MOST_MS, pauseMs)), toldMs < 0 || toldMs >= TELL_EVERY_MS));
  }
}
