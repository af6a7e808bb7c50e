package org.dunlin.conf.quickstart;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.dunlin.conf.evaluate.RetrievalTest;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Progress;
import org.dunlin.conf.report.ReportFile;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.data.retrieval.RetrievalSet;
import org.dunlin.data.wordnet.Part;
import org.dunlin.data.wordnet.WordNetTask;
import org.dunlin.worker.evaluate.RetrievalMetrics;

/**
 * {@code dunlin quickstart}: a pretrained model is measured, trained, and measured again. Progress
 * goes to standard error, the figures to standard output and to the run's report.
 */
public final class Quickstart {
  private static final int STOPPED = 130;
  private static final PrintStream ERR = System.err;

  /** A person asked for the end while a model was being measured. */
  private static final class Stopped extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private final WordNetTask task;
  private final QuickstartFiles files;
  private final StopRequest stop;

  private Quickstart(WordNetTask task, QuickstartFiles files, StopRequest stop) {
    this.task = task;
    this.files = files;
    this.stop = stop;
  }

  /** Gives the exit code; what is wrong before the run begins is a Refusal. */
  public static int run(WordNetTask task, Settings settings) {
    QuickstartFiles files = QuickstartFiles.besideProgram(cache());
    StopRequest stop = StopRequest.bySignals(StopRequest.OF_A_RUN);
    return new Quickstart(task, files, stop).run(settings);
  }

  private static Path cache() {
    String given = System.getenv("XDG_CACHE_HOME");
    Path caches =
        given == null || given.isBlank()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(given);
    return caches.resolve("dunlin");
  }

  private int run(Settings recipe) {
    ERR.println("preparing the model (all-MiniLM-L6-v2) and the data (WordNet 3.1)");
    Path model = files.model();
    Settings settings =
        recipe.with(
            Map.of(
                "model.path", model.toString(),
                "data.files", List.of(files.trainingData(task).toString())));
    try (Job job = Job.open(settings)) {
      job.probe(ERR::println, stop);
      ReportFile report = new ReportFile(job.runFolder());
      try (Watcher watcher =
          job.watching(report, Progress.onStandardError(settings.logEverySteps()))) {
        return run(job, model, report, watcher);
      }
    }
  }

  private int run(Job job, Path model, ReportFile report, Watcher watcher) {
    RetrievalSet heldOut = files.heldOut(task, Part.TEST);
    RetrievalTest test = new RetrievalTest(heldOut, files.queryPrefix());
    Outcome outcome = null;
    try {
      report.set("task", task.title());
      RetrievalMetrics before = measure(test, "before training", model, report, "before");
      outcome = job.run(watcher, stop);
      ERR.println(outcome.sentence());
      if (!(outcome instanceof Outcome.Finished finished)) {
        return outcome.exitCode();
      }
      Path trained = Path.of(finished.model().folder());
      RetrievalMetrics after = measure(test, "after training", trained, report, "after");
      tell(heldOut, before, after, report, trained);
      return 0;
    } catch (Stopped e) {
      ERR.println(
          outcome == null
              ? "ended before the first step; there was nothing to save"
              : "ended before the trained model was measured; it is saved");
      return STOPPED;
    }
  }

  private RetrievalMetrics measure(
      RetrievalTest test, String when, Path folder, ReportFile report, String suffix) {
    int threads = Runtime.getRuntime().availableProcessors();
    ERR.printf("measuring %s: embedding %,d texts%n", when, test.texts());
    RetrievalMetrics metrics;
    try {
      metrics = test.measure(folder, threads, this::goOn);
    } catch (RuntimeException e) {
      if (stop.isAsked()) {
        throw new Stopped();
      }
      throw e;
    }
    ERR.println(when + ": " + metrics.text());
    report.set("ndcg10_" + suffix, 100 * metrics.ndcg10());
    report.set("graded_ndcg10_" + suffix, 100 * metrics.gradedNdcg10());
    report.set("hit1_" + suffix, 100 * metrics.hit1());
    report.set("recall100_" + suffix, 100 * metrics.recall100());
    return metrics;
  }

  private void goOn(int embedded) {
    if (stop.isAsked()) {
      throw new Stopped();
    }
  }

  private void tell(
      RetrievalSet heldOut,
      RetrievalMetrics before,
      RetrievalMetrics after,
      ReportFile report,
      Path trained) {
    PrintStream out = System.out;
    out.println();
    out.println(what(heldOut));
    out.printf(Locale.ROOT, "nDCG@10 before  %5.1f%n", 100 * before.ndcg10());
    out.printf(Locale.ROOT, "nDCG@10 after   %5.1f%n", 100 * after.ndcg10());
    out.printf(
        Locale.ROOT,
        "trained %s pairs in %.0f s, %.1f pairs/s; workers: %s%n",
        report.get("pairs"),
        number(report.get("seconds")),
        number(report.get("pairs_per_second")),
        report.get("workers"));
    out.println("model           " + trained);
    out.println("SHA-256         " + report.get("model_sha256"));
    out.println("all figures     " + trained.resolveSibling(ReportFile.NAME));
    out.println();
    out.println("Try next:");
    out.println("  echo 'sparrow: a small brown bird' | ./dunlin embed " + trained);
    out.println("  ./dunlin train --model " + trained + " --data pairs.jsonl --output my-run");
  }

  // What is measured, and what the figure does not say.
  private String what(RetrievalSet heldOut) {
    return switch (task) {
      case CATEGORY ->
          """
          %,d held-out nouns of WordNet 3.1, as "term: definition"; the task is to find the next broader
          term among %,d. It is a closed taxonomy, and 72 %% of the queries contain a word of the answer."""
              .formatted(heldOut.queries().size(), heldOut.documents().size());
      case REVERSE_DICTIONARY ->
          """
          %,d held-out definitions of WordNet 3.1; the task is to find the word among %,d. 55 %% of the
          words also occur in training, with another definition."""
              .formatted(heldOut.queries().size(), heldOut.documents().size());
    };
  }

  private static double number(Object field) {
    return ((Number) field).doubleValue();
  }
}
