package org.dunlin.conf.report;

import java.util.Locale;
import org.dunlin.coordinator.report.RunEvent;

/** What a person reads of an event, on a terminal or in a file. */
final class Sentences {
  private Sentences() {}

  static String of(RunEvent.Missed missed) {
    return "worker %s %s; the run goes on with %d"
        .formatted(missed.worker(), missed.why(), missed.members());
  }

  static String of(RunEvent.Checkpointed made) {
    return "checkpoint: %s".formatted(made.folder());
  }

  static String of(RunEvent.Evaluated found) {
    return String.format(
        Locale.ROOT,
        "evaluation after %d steps: %s %.4f%s, in %.0f s",
        found.steps(),
        found.metric(),
        found.figure(),
        found.isBest() ? ", the best so far" : "",
        found.seconds());
  }

  static String of(RunEvent.Recorded recorded) {
    return "memory ran out: from step %d on, micro-batches of texts of %d tokens or more have at most %d tokens, on every worker; to begin a run so, set micro-batch.by-length = [\"%d:%d\"]"
        .formatted(
            recorded.fromStep(),
            recorded.minTokens(),
            recorded.mostTokens(),
            recorded.minTokens(),
            recorded.mostTokens());
  }
}
