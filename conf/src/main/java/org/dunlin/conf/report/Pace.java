package org.dunlin.conf.report;

import java.util.Locale;
import org.dunlin.coordinator.report.RunEvent;

/** How fast a run goes, over its last steps: the first ones warm up and are soon forgotten. */
final class Pace {
  private static final double KEEP = 0.9;

  private double pairs;
  private double tokens;
  private double padded;
  private double seconds;
  private double steps;

  void add(RunEvent.StepCommitted step) {
    pairs = KEEP * pairs + step.pairs();
    tokens = KEEP * tokens + step.tokens();
    padded = KEEP * padded + step.paddedTokens();
    seconds = KEEP * seconds + step.seconds();
    steps = KEEP * steps + 1;
  }

  /** Rates and padding, for a terminal. */
  String describe() {
    return String.format(
        Locale.ROOT,
        "%.1f pairs/s, %.0f tokens/s, padding %.1f %%",
        pairs / seconds,
        tokens / seconds,
        padded > 0 ? 100 * (1 - tokens / padded) : 0);
  }

  /** The time that so many steps will take, such as {@code 1:02:03}. */
  String timeOf(long moreSteps) {
    long left = Math.round(seconds / steps * moreSteps);
    return left < 3600
        ? String.format(Locale.ROOT, "%d:%02d", left / 60, left % 60)
        : String.format(Locale.ROOT, "%d:%02d:%02d", left / 3600, left / 60 % 60, left % 60);
  }
}
