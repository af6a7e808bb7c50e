package org.dunlin.it.simulation;

import java.util.SplittableRandom;
import org.dunlin.coordinator.step.AuditPlan;

/**
 * Which steps are audited, and in which of those the last of the first workers computes wrongly
 * before the sum, so that all members hold the same wrong one. In a step that is not audited, and
 * alone, it does not: nobody could tell.
 *
 * @param audits which steps are
 * @param from the first step in which it lies; -1: never
 * @param always whether its machine is broken, and lies in all its slots from then on; else a bit
 *     flips once
 * @param stage from which on a slot is wrong, from 0 to {@link Leaf#STAGES} - 1
 */
record Lies(AuditPlan audits, long from, boolean always, int stage) {
  static final Lies NONE = new Lies(AuditPlan.NONE, -1, false, 0);

  static Lies draw(SplittableRandom draw, int steps) {
    AuditPlan audits = new AuditPlan(draw.nextInt(4), draw.nextLong());
    long from = draw.nextInt(3) == 0 ? draw.nextInt(steps) : -1;
    return new Lies(audits, from, draw.nextBoolean(), draw.nextInt(Leaf.STAGES));
  }

  /** Whether it may be fenced out, and who else has the state matters. */
  boolean any() {
    return from >= 0;
  }

  boolean in(long step) {
    return any() && step >= from && audits.audits(step);
  }
}
