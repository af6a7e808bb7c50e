package org.dunlin.coordinator.step;

import java.util.Map;
import java.util.SortedMap;

/**
 * When a run is measured on held-out data, and when it stops because of that. Pure: it decides from
 * figures alone.
 *
 * @param everySteps 0: never; else also after the last step
 * @param patience evaluations in a row without a better figure after which the run stops; 0: it
 *     does not
 */
public record EvaluationPlan(long everySteps, long patience) {
  /** Never. */
  public static final EvaluationPlan NONE = new EvaluationPlan(0, 0);

  /**
   * Whether the state after so many steps is measured.
   *
   * @param last steps of the whole run
   */
  boolean measures(long steps, long last) {
    return everySteps > 0 && steps > 0 && (steps % everySteps == 0 || steps == last);
  }

  /** The last state up to here that is measured; 0 if there is none. */
  public long lastMeasured(long steps, long last) {
    if (everySteps == 0) {
      return 0;
    }
    return steps == last ? last : steps - steps % everySteps;
  }

  /**
   * Whether a run stops at a step that is measured: decided from what was measured before it, so
   * that it need not stand still for the figure of that step itself.
   *
   * @param figures by steps; greater is better, no number where one could not be measured
   */
  boolean stops(long steps, long last, SortedMap<Long, Double> figures) {
    if (patience == 0 || !measures(steps, last)) {
      return false;
    }
    double best = Double.NEGATIVE_INFINITY;
    long inVain = 0;
    for (Map.Entry<Long, Double> each : figures.headMap(steps).entrySet()) {
      if (each.getValue() > best) {
        best = each.getValue();
        inVain = 0;
      } else if (!each.getValue().isNaN()) {
        inVain++;
      }
    }
    return inVain >= patience;
  }
}
