package org.dunlin.protocol.message;

/** What is done in a generation's first step with what its members have computed of it before. */
public enum Recompute {
  /** They go on from it: only what nobody has is computed. */
  MISSING,
  /** They give it up, and compute all of the step. */
  ALL,
  /** The same; and each shows what the stages of each of its slots gave. */
  ALL_SHOWN
}
