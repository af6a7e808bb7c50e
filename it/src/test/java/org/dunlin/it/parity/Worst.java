package org.dunlin.it.parity;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.LinkedHashMap;
import java.util.Map;

/** The worst errors of a configuration by quantity, each with its tolerance. */
final class Worst {
  private record Bounded(double worst, double tolerance) {}

  private final Map<String, Bounded> errors = new LinkedHashMap<>();

  void add(String quantity, double error, double tolerance) {
    Bounded before = errors.getOrDefault(quantity, new Bounded(0, tolerance));
    // Not a number is worse than any.
    errors.put(quantity, new Bounded(Math.max(before.worst(), error), tolerance));
  }

  boolean passes() {
    return errors.values().stream().allMatch(error -> error.worst() <= error.tolerance());
  }

  void check() {
    errors.forEach(
        (quantity, error) ->
            assertThat(error.worst()).as(quantity).isLessThanOrEqualTo(error.tolerance()));
  }

  @Override
  public String toString() {
    StringBuilder line = new StringBuilder();
    errors.forEach((q, error) -> line.append(", %s %.1e".formatted(q, error.worst())));
    return line.substring(2) + (passes() ? ", passed" : ", FAILED");
  }

  /** How far a value is from another that is not 0, else how far from 0. */
  static double relative(double found, double expected) {
    return expected == 0 ? Math.abs(found) : Math.abs(found / expected - 1);
  }

  /** L2 of a difference over L2 of what was expected. */
  static double relative(float[] found, float[] expected) {
    double difference = 0;
    double whole = 0;
    for (int i = 0; i < expected.length; i++) {
      double d = (double) found[i] - expected[i];
      difference += d * d;
      whole += (double) expected[i] * expected[i];
    }
    return whole == 0 ? Math.sqrt(difference) : Math.sqrt(difference / whole);
  }

  static double norm(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += (double) value * value;
    }
    return Math.sqrt(sum);
  }
}
