package org.dunlin.data.model;

import java.util.Arrays;
import java.util.List;

/**
 * A tensor's name and shape.
 *
 * @param name as in the file
 * @param shape dimensions, outermost first; empty for a scalar
 */
public record Tensor(String name, List<Long> shape) {
  public Tensor {
    shape = List.copyOf(shape);
  }

  static Tensor of(String name, long... shape) {
    return new Tensor(name, Arrays.stream(shape).boxed().toList());
  }

  /** Number of values. */
  public long elements() {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }
}
