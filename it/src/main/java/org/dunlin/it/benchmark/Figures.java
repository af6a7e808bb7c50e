package org.dunlin.it.benchmark;

import java.util.List;

/** What is said of many measurements. */
final class Figures {
  private Figures() {}

  /** The least value that so many per cent of them do not exceed; NaN of none. */
  static double percentile(List<Double> values, int percent) {
    List<Double> sorted = values.stream().sorted().toList();
    int rank = (int) Math.ceil(percent / 100.0 * sorted.size());
    return sorted.isEmpty() ? Double.NaN : sorted.get(Math.max(0, rank - 1));
  }
}
