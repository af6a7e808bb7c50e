package org.dunlin.conf.report;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dunlin.coordinator.report.RunEvent;

/**
 * {@code report.json}: what a run came to, written when this is closed. Whoever measures more, such
 * as the quickstart, adds fields before that.
 */
public final class ReportFile implements Watcher {
  public static final String NAME = "report.json";

  private final WholeFile file;
  private final Map<String, Object> fields = new LinkedHashMap<>();
  private final Faults faults = new Faults();
  private long steps;
  private long pairs;
  private double seconds;

  public ReportFile(Path runFolder) {
    this.file = new WholeFile(runFolder.resolve(NAME));
    fields.put("outcome", "none");
  }

  /** Adds a field, or replaces it. */
  public void set(String field, Object value) {
    fields.put(field, value);
  }

  /** What a field holds now; null if nothing. */
  public Object get(String field) {
    return fields.get(field);
  }

  @Override
  public void accept(RunEvent event) {
    switch (event) {
      case RunEvent.Started started -> fields.put("workers", started.workers());
      case RunEvent.StepCommitted step -> count(step);
      case RunEvent.Saved saved -> {
        fields.put("model", saved.folder());
        fields.put("model_sha256", saved.sha256());
      }
      case RunEvent.Finished end -> fields.put("outcome", end.early() ? "ended early" : "finished");
      case RunEvent.Failed failed -> {
        fields.put("outcome", "failed");
        fields.put("failure", failed.sentence());
      }
      case RunEvent.Evaluated found -> {
        if (found.isBest()) {
          fields.put("best_steps", found.steps());
          fields.put("best_" + found.metric(), found.figure());
        }
      }
      case RunEvent.Missed missed -> {}
      case RunEvent.Noted noted -> {}
      case RunEvent.Checkpointed made -> {}
      case RunEvent.Recorded recorded -> {}
      case RunEvent.Processes processes -> {}
    }
  }

  private void count(RunEvent.StepCommitted step) {
    faults.add(step);
    steps++;
    pairs += step.pairs();
    seconds += step.seconds();
    fields.put("steps", steps);
    fields.put("pairs", pairs);
    fields.put("seconds", seconds);
    fields.put("pairs_per_second", pairs / seconds);
    fields.put("loss", step.loss());
    fields.put("not_finite_steps", faults.notFinite());
    fields.put("overflows_skipped", faults.overflows());
  }

  @Override
  public void close() {
    file.write(fields);
  }
}
