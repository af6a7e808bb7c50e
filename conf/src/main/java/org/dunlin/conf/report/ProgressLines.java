package org.dunlin.conf.report;

import java.io.PrintStream;
import java.util.Locale;
import org.dunlin.coordinator.report.RunEvent;

/** Progress where there is no terminal: a line now and then, and about one a second at most. */
final class ProgressLines implements Watcher {
  private static final double LEAST_SECONDS = 1;

  private final PrintStream out;
  private final long everySteps;
  private final Pace pace = new Pace();
  private final Faults faults = new Faults();
  private long steps;
  private double sinceLine;

  ProgressLines(PrintStream out, long everySteps) {
    this.out = out;
    this.everySteps = everySteps;
  }

  @Override
  public void accept(RunEvent event) {
    switch (event) {
      case RunEvent.Started started -> {
        steps = started.steps();
        out.printf(
            "training: %d steps, %d worker%s%n",
            steps, started.workers(), started.workers() == 1 ? "" : "s");
      }
      case RunEvent.StepCommitted step -> committed(step);
      case RunEvent.Saved saved -> out.printf("saved: %s%n", saved.folder());
      case RunEvent.Missed missed -> out.println(Sentences.of(missed));
      case RunEvent.Noted noted -> out.println(noted.sentence());
      case RunEvent.Checkpointed made -> out.println(Sentences.of(made));
      case RunEvent.Evaluated found -> out.println(Sentences.of(found));
      case RunEvent.Recorded recorded -> out.println(Sentences.of(recorded));
      case RunEvent.Processes processes -> {}
      case RunEvent.Finished finished -> {}
      case RunEvent.Failed failed -> {}
    }
  }

  // The steps' own durations are the clock.
  private void committed(RunEvent.StepCommitted step) {
    pace.add(step);
    faults.add(step);
    sinceLine += step.seconds();
    long done = step.step() + 1;
    boolean due = done % everySteps == 0 && sinceLine >= LEAST_SECONDS;
    if (done == 1 || done == steps || due) {
      sinceLine = 0;
      out.printf(
          Locale.ROOT,
          "step %d/%d: loss %.4f%s, %s, %s left%n",
          done,
          steps,
          step.loss(),
          faults.describe(),
          pace.describe(),
          pace.timeOf(steps - done));
    }
  }

  @Override
  public void close() {
    out.flush();
  }
}
