package org.dunlin.conf.report;

import org.dunlin.coordinator.report.RunEvent;

/** Counts the steps of a run that changed nothing because something was not finite. */
final class Faults {
  private long inARow;
  private long notFinite;
  private long overflows;

  void add(RunEvent.StepCommitted step) {
    if (step.notFinite() > inARow) {
      notFinite++;
    } else if (!step.applied()) {
      overflows++;
    }
    inARow = step.notFinite();
  }

  /** Steps whose loss or gradient was not finite. */
  long notFinite() {
    return notFinite;
  }

  /** Steps skipped because fp16 overflowed, which lowered the loss scale. */
  long overflows() {
    return overflows;
  }

  /** What to put behind a figure; empty while there are none. */
  String describe() {
    return (notFinite > 0 ? ", %d not finite".formatted(notFinite) : "")
        + (overflows > 0 ? ", %d overflows skipped".formatted(overflows) : "");
  }
}
