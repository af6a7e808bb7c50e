package org.dunlin.coordinator.step;

import java.util.List;
import java.util.Optional;
import org.dunlin.protocol.WorkerId;

/**
 * How a worker that came to a run under way gets its state.
 *
 * @param number of the lesson, rising over the run
 * @param attempt from 1; each that broke is one more
 * @param teachers the members that teach it, each a share of the state
 * @param probe of the learner's kernels once it has caught up; empty until then
 */
record Lesson(long number, int attempt, List<WorkerId> teachers, Optional<String> probe) {
  Lesson {
    teachers = List.copyOf(teachers);
  }

  boolean isCaughtUp() {
    return probe.isPresent();
  }

  Lesson caughtUp(String with) {
    return new Lesson(number, attempt, teachers, Optional.of(with));
  }
}
