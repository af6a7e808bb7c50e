package org.dunlin.coordinator.step;

/**
 * Who may take part in a run.
 *
 * @param workers how many are waited for before the first step; at least 1
 * @param open whether others may still come: then one that is lost before the first step is
 *     replaced, else it is the run's end
 * @param differentKernels whether a worker may take part whose kernels give other bits
 */
public record Admission(int workers, boolean open, boolean differentKernels) {
  public Admission {
    if (workers < 1) {
      throw new IllegalArgumentException("workers: " + workers + " (expected: >= 1)");
    }
  }

  /** Exactly so many, all of which were started together. */
  public static Admission closed(int workers) {
    return new Admission(workers, false, false);
  }

  /** Whether the place of one that left can be taken, by a spare or by one that may still come. */
  boolean canFill(State state) {
    return open || !state.spares().isEmpty();
  }
}
