package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;

/** Settings for short runs of the golden model: two layers of width 64, milliseconds a step. */
final class Golden {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));

  /** The one limit of every wait; a slow machine stretches it. */
  static final long LIMIT_SECONDS =
      TimeUnit.MINUTES.toSeconds(2) * Integer.getInteger("dunlin.patience", 1);

  private Golden() {}

  /** What every run has in common, by key. */
  static Map<String, Object> keys(Path runFolder, long steps, int workers) {
    Map<String, Object> keys = new HashMap<>();
    keys.put("run.output", runFolder);
    keys.put("model.path", FIXTURES.resolve("model"));
    keys.put("data.files", List.of(FIXTURES.resolve("train.jsonl")));
    keys.put("model.hidden-dropout", 0.1);
    keys.put("batch.size", 16);
    keys.put("slots", 8);
    keys.put("micro-batch.tokens", 512);
    keys.put("train.steps", steps);
    keys.put("workers", workers);
    keys.put("coordinator.standby", false); // its start takes seconds of the others' time
    return keys;
  }

  static Settings settings(Path runFolder, long steps, int workers) {
    return Settings.load(Optional.empty(), keys(runFolder, steps, workers));
  }

  /** Trains in this process until so many steps, and gives what was said. */
  static List<String> train(Map<String, Object> keys, long until) {
    List<String> notes = new ArrayList<>();
    StopRequest stop = StopRequest.byHand();
    Watcher watcher =
        new Watcher() {
          @Override
          public void accept(RunEvent event) {
            if (event instanceof RunEvent.Noted noted) {
              notes.add(noted.sentence());
            }
            if (event instanceof RunEvent.StepCommitted step && step.step() + 1 == until) {
              stop.ask();
            }
          }

          @Override
          public void close() {}
        };
    try (Job job = Job.open(Settings.load(Optional.empty(), keys));
        Watcher all = job.watching(watcher)) {
      assertThat(job.run(all, stop)).isNotInstanceOf(Outcome.Failed.class);
    }
    return notes;
  }
}
