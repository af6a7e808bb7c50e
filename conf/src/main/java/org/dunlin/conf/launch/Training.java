package org.dunlin.conf.launch;

import org.dunlin.conf.report.Progress;
import org.dunlin.conf.report.ReportFile;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;

/** {@code dunlin train}: a job from its settings to its last sentence. */
public final class Training {
  private Training() {}

  /** Gives the exit code; what is wrong before the run begins is a Refusal. */
  public static int run(Settings settings) {
    StopRequest stop = StopRequest.bySignals();
    try (Job job = Job.open(settings)) {
      job.planLines().forEach(System.err::println);
      job.probe(System.err::println, stop);
      Outcome outcome;
      try (Watcher watcher =
          job.watching(
              new ReportFile(job.runFolder()),
              Progress.onStandardError(settings.logEverySteps()))) {
        outcome = job.run(watcher, stop);
      }
      System.err.println(outcome.sentence());
      return outcome.exitCode();
    }
  }
}
