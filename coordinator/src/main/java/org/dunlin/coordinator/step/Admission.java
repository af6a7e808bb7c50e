package org.dunlin.coordinator.step;

/**
 * Who may take part in a run.
 *
 * @param workers how many are waited for before the first step; at least 1
 * @param comers who takes the place of one that is lost before the first step
 * @param differentKernels whether a worker may take part whose kernels give other bits
 */
public record Admission(int workers, Comers comers, boolean differentKernels) {
  /** Who may still come. */
  public enum Comers {
    /** Nobody: who is lost is the run's end. */
    NONE,
    /** Who died or was silent is started again; who says itself that it failed would fail again. */
    AGAIN,
    /** Anybody. */
    ANY
  }

  public Admission {
    if (workers < 1) {
      throw new IllegalArgumentException("workers: " + workers + " (expected: >= 1)");
    }
  }

  /** Exactly so many, all of which were started together. */
  public static Admission closed(int workers) {
    return new Admission(workers, Comers.NONE, false);
  }

  /** Whether the place of one that left can be taken, by a spare or by one that may still come. */
  boolean canFill(State state) {
    return comers == Comers.ANY || !state.spares().isEmpty();
  }

  /** As {@link #canFill}, or by the lost one itself. */
  boolean canFill(State state, Event.Lost lost) {
    return canFill(state) || (comers == Comers.AGAIN && !lost.ownWord());
  }
}
