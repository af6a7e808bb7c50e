package org.dunlin.conf.launch;

import java.util.Optional;
import java.util.function.Function;
import org.dunlin.conf.report.Progress;
import org.dunlin.conf.report.ReportFile;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;

/** {@code dunlin train} and {@code dunlin coordinator}: a job up to its last sentence. */
public final class Training {
  private Training() {}

  /** Gives the exit code; what is wrong before the run begins is a Refusal. */
  public static int run(Settings settings) {
    return run(settings, Job::open);
  }

  /** The same with workers that are started by hand, on other machines. */
  public static int coordinate(Settings settings) {
    return run(settings, Job::openForWorkersElsewhere);
  }

  /** The same once the run's coordinator, which is on another machine, is gone. */
  public static int standBy(Settings settings) {
    System.err.printf(
        "standing by for the run in %s: once its coordinator is gone, it goes on here%n",
        settings.runFolder());
    Optional<Job> job = Job.standBy(settings); // until then a signal just ends this process
    if (job.isEmpty()) {
      System.err.println("the run has ended");
      return 0;
    }
    return run(settings, its -> job.get());
  }

  private static int run(Settings settings, Function<Settings, Job> opener) {
    StopRequest stop = StopRequest.bySignals(StopRequest.OF_A_RUN);
    try (Job job = opener.apply(settings)) {
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
