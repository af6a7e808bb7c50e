package org.dunlin.conf.launch;

import java.util.Optional;
import org.dunlin.coordinator.report.RunEvent;

/** Tells from a run's events what it came to. Not thread-safe. */
final class OutcomeOf {
  private Optional<RunEvent.Saved> model = Optional.empty();
  private Optional<Outcome> outcome = Optional.empty();

  /** Takes the next event; the first end counts. */
  void add(RunEvent event) {
    switch (event) {
      case RunEvent.Saved saved -> model = Optional.of(saved);
      case RunEvent.Finished end -> set(outcomeOf(end));
      case RunEvent.Failed failed -> set(new Outcome.Failed(failed.sentence() + saved()));
      case RunEvent.Processes processes -> {}
      case RunEvent.Started started -> {}
      case RunEvent.Missed missed -> {}
      case RunEvent.Noted noted -> {}
      case RunEvent.Checkpointed made -> {}
      case RunEvent.Evaluated evaluated -> {}
      case RunEvent.Recorded recorded -> {}
      case RunEvent.StepCommitted step -> {}
    }
  }

  private Outcome outcomeOf(RunEvent.Finished end) {
    return end.early()
        ? new Outcome.EndedEarly(end.steps(), model)
        : new Outcome.Finished(end.steps(), model.orElseThrow());
  }

  private String saved() {
    return model
        .map(m -> "; the model after %d steps is in %s".formatted(m.steps(), m.folder()))
        .orElse("");
  }

  private void set(Outcome end) {
    outcome = outcome.isEmpty() ? Optional.of(end) : outcome;
  }

  /** Empty while the run goes on. */
  Optional<Outcome> outcome() {
    return outcome;
  }
}
