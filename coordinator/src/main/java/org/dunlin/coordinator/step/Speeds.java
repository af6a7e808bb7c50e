package org.dunlin.coordinator.step;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.StepResult;

/**
 * How long each worker takes for a slot, as the committed steps showed it, and when that is reason
 * to share the slots out anew. It changes when a run ends, never what it gives. Immutable.
 *
 * @param msPerSlot a moving mean, for those that have computed
 * @param steps committed since slots were shared out last
 */
record Speeds(Map<WorkerId, Double> msPerSlot, long steps) {
  static final Speeds UNKNOWN = new Speeds(Map.of(), 0);

  /** What the newest step weighs. */
  private static final double NEWEST = 0.2;

  // A new generation costs its members some 50 ms, and what they had begun: that must be gained
  // before the next one, and the gain be more than a step's noise.
  private static final long LEAST_STEPS = 5;
  private static final double LEAST_SHARE = 0.15;
  private static final double LEAST_MS = 20;

  Speeds {
    msPerSlot = Map.copyOf(msPerSlot);
  }

  /** After a step was committed. The first one with new shares warms up, and shows nothing. */
  Speeds after(List<Share> shares, Map<WorkerId, StepResult> results) {
    if (steps == 0) {
      return new Speeds(msPerSlot, 1);
    }
    Map<WorkerId, Double> next = new TreeMap<>(msPerSlot);
    for (Share share : shares) {
      double busyMs = results.get(share.worker()).busyMs();
      if (share.slots() > 0 && busyMs > 0) {
        next.merge(
            share.worker(),
            busyMs / share.slots(),
            (mean, newest) -> mean + NEWEST * (newest - mean));
      }
    }
    return new Speeds(next, steps + 1);
  }

  /** Slots have been shared out. */
  Speeds sharedOut() {
    return new Speeds(msPerSlot, 0);
  }

  /** Milliseconds a slot; who has not computed yet is taken for as fast as the others' mean. */
  double of(WorkerId worker) {
    Double known = msPerSlot.get(worker);
    return known != null
        ? known
        : msPerSlot.values().stream().mapToDouble(Double::doubleValue).average().orElse(1);
  }

  /** Whether enough steps have shown whether the shares are right. */
  boolean areSettled() {
    return steps >= LEAST_STEPS;
  }

  /** Whether a step would become much shorter if the longest took only so long. */
  boolean callFor(double leastMs, List<Share> current) {
    double now = stepMs(current);
    double gain = now - leastMs;
    return gain >= LEAST_MS && gain >= LEAST_SHARE * now;
  }

  private double stepMs(List<Share> shares) {
    return shares.stream()
        .mapToDouble(share -> share.slots() * of(share.worker()))
        .max()
        .orElseThrow();
  }
}
