package org.dunlin.coordinator.step;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Where a run is with its evaluations. Immutable.
 *
 * @param figures by steps; no number where one could not be measured
 * @param due the state to be measured next, whose checkpoint is not complete
 * @param attempts at that checkpoint that a disk or a worker broke
 * @param underWay the measuring of a checkpoint
 * @param begun how many measurings this coordinator has begun, each with a number
 */
public record Evaluations(
    SortedMap<Long, Double> figures,
    Optional<CheckpointPoint> due,
    int attempts,
    Optional<UnderWay> underWay,
    long begun) {
  /** Of a run that begins. */
  public static final Evaluations NONE =
      new Evaluations(new TreeMap<>(), Optional.empty(), 0, Optional.empty(), 0);

  /** One that is being measured. */
  public record UnderWay(long number, long steps) {}

  public Evaluations {
    figures = Collections.unmodifiableSortedMap(new TreeMap<>(figures));
  }

  /**
   * As a run's records tell it.
   *
   * @param records in their order
   * @param set what is measured with; figures of another one do not count
   */
  public static Evaluations of(List<RunRecord> records, String set) {
    Evaluations found = NONE;
    for (RunRecord record : records) {
      found =
          switch (record) {
            case CutRecord cut -> found.renounced(cut.fromStep());
            case EvaluationDue one -> found.withDue(one.point());
            case EvaluationRecord one ->
                one.set().equals(set) ? found.with(one.steps(), one.figure()) : found;
          };
    }
    return found;
  }

  /** Whether there is a figure, or none can be had. */
  boolean isKnown(long steps) {
    return figures.containsKey(steps);
  }

  /** What is to be written and measured of the state after so many steps. */
  Optional<CheckpointPoint> dueAt(long steps) {
    return due.filter(point -> point.steps() == steps);
  }

  /** Whether this measuring is still wanted. */
  public boolean isUnderWay(long number) {
    return underWay.filter(one -> one.number() == number).isPresent();
  }

  /** The steps with the greatest figure, the fewest of equals; empty if there is none. */
  public OptionalLong best() {
    OptionalLong best = OptionalLong.empty();
    double greatest = Double.NEGATIVE_INFINITY;
    for (Map.Entry<Long, Double> each : figures.entrySet()) {
      if (each.getValue() > greatest) {
        greatest = each.getValue();
        best = OptionalLong.of(each.getKey());
      }
    }
    return best;
  }

  /** Checkpoints that are needed, however old they are: the best, and what is being measured. */
  public SortedSet<Long> kept() {
    NavigableSet<Long> kept = new TreeSet<>();
    best().ifPresent(kept::add);
    underWay.ifPresent(one -> kept.add(one.steps()));
    return kept;
  }

  Evaluations withDue(CheckpointPoint point) {
    return new Evaluations(figures, Optional.of(point), 0, underWay, begun);
  }

  Evaluations withoutDue() {
    return new Evaluations(figures, Optional.empty(), 0, underWay, begun);
  }

  Evaluations withAttempt() {
    return new Evaluations(figures, due, attempts + 1, underWay, begun);
  }

  /** One is begun, of the next number. */
  Evaluations begin(long steps) {
    UnderWay next = new UnderWay(begun + 1, steps);
    return new Evaluations(figures, Optional.empty(), 0, Optional.of(next), begun + 1);
  }

  /** The one under way has come to this. */
  Evaluations measured(long steps, double figure) {
    Evaluations next = with(steps, figure);
    return new Evaluations(next.figures, next.due, next.attempts, Optional.empty(), begun);
  }

  private Evaluations with(long steps, double figure) {
    SortedMap<Long, Double> more = new TreeMap<>(figures);
    more.put(steps, figure);
    Optional<CheckpointPoint> other = due.filter(point -> point.steps() != steps);
    return new Evaluations(more, other, attempts, underWay, begun);
  }

  /** Of a run whose steps from one on become others. */
  Evaluations renounced(long fromStep) {
    return new Evaluations(
        figures.headMap(fromStep + 1),
        due.filter(point -> point.steps() <= fromStep),
        attempts,
        underWay.filter(one -> one.steps() <= fromStep),
        begun);
  }
}
