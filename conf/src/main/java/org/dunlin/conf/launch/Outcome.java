package org.dunlin.conf.launch;

import java.util.Optional;
import org.dunlin.coordinator.report.RunEvent;

/** What a run came to. */
public sealed interface Outcome {
  /** A process's exit code for it. */
  int exitCode();

  /** What a person is told, in one sentence. */
  String sentence();

  /** As planned. */
  record Finished(long steps, RunEvent.Saved model) implements Outcome {
    @Override
    public int exitCode() {
      return 0;
    }

    @Override
    public String sentence() {
      return "finished after %d steps; the model is in %s".formatted(steps, model.folder());
    }
  }

  /**
   * A person asked for an early end.
   *
   * @param model what was saved; empty if there was nothing to save yet
   */
  record EndedEarly(long steps, Optional<RunEvent.Saved> model) implements Outcome {
    @Override
    public int exitCode() {
      return 130;
    }

    @Override
    public String sentence() {
      return model
          .map(m -> "ended early after %d steps; the model is in %s".formatted(steps, m.folder()))
          .orElse("ended before the first step; there was nothing to save");
    }
  }

  /** It could not go on. */
  record Failed(String sentence) implements Outcome {
    @Override
    public int exitCode() {
      return 1;
    }
  }
}
