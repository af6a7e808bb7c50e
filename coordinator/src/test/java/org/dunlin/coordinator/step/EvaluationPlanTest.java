package org.dunlin.coordinator.step;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.Test;

/** What follows from figures, whenever they came. */
class EvaluationPlanTest {
  private static final long LAST = 25;
  private static final double NONE = Double.NaN;

  /** Figures of every tenth step. */
  private static SortedMap<Long, Double> figures(double... values) {
    SortedMap<Long, Double> figures = new TreeMap<>();
    for (double value : values) {
      figures.put(10L * (figures.size() + 1), value);
    }
    return figures;
  }

  private static long end(long patience, double... values) {
    EvaluationPlan plan = new EvaluationPlan(10, patience);
    return LongStream.rangeClosed(0, 1000)
        .filter(steps -> steps == 1000 || plan.stops(steps, 1000, figures(values)))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void shouldMeasureAtRoundStepsAndAfterTheLast() {
    EvaluationPlan plan = new EvaluationPlan(10, 0);
    assertThat(LongStream.rangeClosed(0, LAST).filter(steps -> plan.measures(steps, LAST)))
        .containsExactly(10L, 20L, 25L);
    assertThat(LongStream.rangeClosed(0, LAST).filter(s -> EvaluationPlan.NONE.measures(s, LAST)))
        .isEmpty();
    assertThat(plan.lastMeasured(9, LAST)).isZero();
    assertThat(plan.lastMeasured(24, LAST)).isEqualTo(20);
    assertThat(plan.lastMeasured(25, LAST)).isEqualTo(25);
    assertThat(EvaluationPlan.NONE.lastMeasured(25, LAST)).isZero();
  }

  @Test
  void shouldStopOneIntervalAfterTheFigureThatExhaustsItsPatience() {
    assertThat(end(1, 0.5, 0.4)).isEqualTo(30);
    assertThat(end(2, 0.5, 0.4, 0.3)).isEqualTo(40);
    assertThat(end(2, 0.5, 0.4, 0.6, 0.6, 0.6)).isEqualTo(60);
    assertThat(end(1, 0.5, 0.5)).as("an equal figure is not better").isEqualTo(30);
  }

  @Test
  void shouldGoOnWhileItGetsBetterOrNobodyAsked() {
    assertThat(end(1, 0.1, 0.2, 0.3, 0.4)).isEqualTo(1000);
    assertThat(end(0, 0.5, 0.4, 0.3, 0.2)).isEqualTo(1000);
  }

  @Test
  void shouldNotCountWhatCouldNotBeMeasured() {
    assertThat(end(1, NONE, NONE, NONE)).isEqualTo(1000);
    assertThat(end(1, 0.5, NONE, 0.4)).isEqualTo(40);
  }

  @Test
  void shouldDecideAlikeWhenLaterFiguresAreKnownAlready() {
    assertThat(end(1, 0.5, 0.4, 0.9, 0.95)).isEqualTo(end(1, 0.5, 0.4)).isEqualTo(30);
  }

  @Test
  void shouldTellFromRecordsWhatIsKnownAndDue() {
    CheckpointPoint point = new CheckpointPoint(30, new Scalars(30, 1, 0), 7, 0);
    List<RunRecord> records =
        List.of(
            new EvaluationRecord(10, "set", 0.5),
            new EvaluationRecord(20, "set", 0.5),
            new EvaluationRecord(20, "other", 0.9),
            new EvaluationDue(point));
    Evaluations found = Evaluations.of(records, "set");
    assertThat(found.figures()).isEqualTo(figures(0.5, 0.5));
    assertThat(found.best()).as("the first of equals").hasValue(10);
    assertThat(found.dueAt(30)).contains(point);
    assertThat(found.dueAt(20)).isEmpty();
  }

  @Test
  void shouldForgetTheFiguresOfStepsThatBecomeOthers() {
    List<RunRecord> records =
        List.of(
            new EvaluationRecord(10, "set", 0.5),
            new EvaluationRecord(20, "set", 0.9),
            new CutRecord(15, new MicroBatchLimit(8, 64)),
            new EvaluationRecord(30, "set", 0.4));
    Evaluations found = Evaluations.of(records, "set");
    assertThat(found.figures()).containsOnlyKeys(10L, 30L);
    assertThat(found.best()).hasValue(10);
  }
}
