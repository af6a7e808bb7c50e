package org.dunlin.data.checkpoint;

import java.util.Comparator;
import java.util.List;
import java.util.Set;

/**
 * Which checkpoints stay.
 *
 * @param keepLast the newest so many, at least 1
 * @param keepEverySteps also those whose steps are a multiple of it; 0: none for that
 * @param also these, such as the best by some metric
 */
public record Retention(int keepLast, long keepEverySteps, Set<Long> also) {
  public Retention {
    also = Set.copyOf(also);
    if (keepLast < 1) {
      throw new IllegalArgumentException("keep-last: " + keepLast + " (expected: >= 1)");
    }
    if (keepEverySteps < 0) {
      throw new IllegalArgumentException("keep-every: " + keepEverySteps + " (expected: >= 0)");
    }
  }

  /** The same with others besides. */
  public Retention with(Set<Long> others) {
    return new Retention(keepLast, keepEverySteps, others);
  }

  /** Those of {@code steps} that stay, newest first. */
  public List<Long> of(List<Long> steps) {
    List<Long> newestFirst = steps.stream().sorted(Comparator.reverseOrder()).toList();
    long lastKept =
        newestFirst.isEmpty() ? 0 : newestFirst.get(Math.min(keepLast, steps.size()) - 1);
    return newestFirst.stream()
        .filter(
            step ->
                step >= lastKept
                    || (keepEverySteps > 0 && step % keepEverySteps == 0)
                    || also.contains(step))
        .toList();
  }
}
