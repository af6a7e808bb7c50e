package org.dunlin.coordinator.step;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.Test;

/** Steps without a finite loss or gradient are committed, counted, and end the run in time. */
class NotFiniteStepsTest {
  private static final Term TERM = new Term(1);
  private static final WorkerId WORKER = new WorkerId("w", 1);
  private static final long STEPS = 100;
  private static final double NAN = Double.NaN;

  /** A run of one worker that has begun. */
  private static final class OneWorker {
    private final StepProtocol protocol;
    private State state = State.initial();
    private List<Effect> effects = List.of();

    OneWorker(long mostNotFinite) {
      protocol = new StepProtocol(TERM, STEPS, 2, Admission.closed(1), mostNotFinite);
      on(new Event.Joined(WORKER));
      on(new Event.Loaded(WORKER, TERM, "probe"));
    }

    void on(Event event) {
      StepProtocol.Decision decision = protocol.next(state, event);
      state = decision.next();
      effects = decision.effects();
    }

    /** A step's loss is that of its second slot: the first one's is 1. */
    Effect.Commit step(double loss, boolean applied, double scale) {
      double norm = applied ? 1 : Double.POSITIVE_INFINITY;
      StepResult result =
          new StepResult(
              state.step(),
              7,
              applied,
              norm,
              new Scalars(state.step(), scale, 0),
              new double[] {1, loss},
              0);
      on(new Event.Prepared(WORKER, TERM, state.generation(), result));
      on(new Event.Ledgered(result.step(), false));
      return (Effect.Commit) effects.get(0);
    }

    boolean saves() {
      return effects.contains(new Effect.AskState(WORKER, state.step()));
    }
  }

  @Test
  void shouldCommitAndCountThemUntilOneIsInOrder() {
    OneWorker run = new OneWorker(3);
    List<Long> counts = new ArrayList<>();
    for (double loss : new double[] {1, NAN, Double.POSITIVE_INFINITY, 1, NAN, 1}) {
      Effect.Commit commit = run.step(loss, Double.isFinite(loss), 1);
      assertThat(commit.loss()).isEqualTo(Double.valueOf(1 + loss));
      counts.add(commit.notFinite());
      assertThat(run.saves()).isFalse();
    }
    assertThat(counts).containsExactly(0L, 1L, 2L, 0L, 1L, 0L);
  }

  @Test
  void shouldSaveAndThenFailWhenThereAreTooMany() {
    OneWorker run = new OneWorker(3);
    run.step(1, true, 1);
    run.step(NAN, false, 1);
    run.step(NAN, false, 1);
    assertThat(run.saves()).isFalse();
    run.step(NAN, false, 1);
    assertThat(run.saves()).isTrue();
    run.on(new Event.Offered(WORKER, TERM, 4));
    assertThat(run.effects).containsExactly(new Effect.Save(WORKER, 4, false));
    run.on(new Event.Saved(4));
    assertThat(run.effects)
        .containsExactly(
            new Effect.Dismiss(WORKER, "the run has failed"),
            new Effect.Fail(
                "step 3: the loss is NaN; steps in a row that are not finite: 3 (expected: fewer than train.max-non-finite-steps); lower optimizer.learning-rate or mend the data",
                true));
    assertThat(run.state.phase()).isEqualTo(State.Phase.ENDED);
  }

  @Test
  void shouldStillSayWhyWhenTheModelCannotBeSaved() {
    OneWorker run = new OneWorker(1);
    run.step(Double.POSITIVE_INFINITY, false, 1);
    run.on(new Event.Broken("the disk is full"));
    assertThat(run.effects)
        .contains(
            new Effect.Fail(
                "step 0: the loss is Infinity; steps in a row that are not finite: 1 (expected: fewer than train.max-non-finite-steps); lower optimizer.learning-rate or mend the data; the model could not be saved: the disk is full",
                true));
  }

  @Test
  void shouldNeverEndForThemWhenToldSo() {
    OneWorker run = new OneWorker(0);
    for (int step = 1; step < STEPS; step++) {
      assertThat(run.step(NAN, false, 1).notFinite()).isEqualTo(step);
      assertThat(run.saves()).isFalse();
    }
    run.step(NAN, false, 1);
    run.on(new Event.Saved(STEPS));
    assertThat(run.effects).contains(new Effect.Finish(STEPS, false));
  }

  @Test
  void shouldNotCountAnOverflowWhileTheScaleMayFall() {
    OneWorker run = new OneWorker(2);
    for (double scale = 32768; scale > 1; scale /= 2) {
      assertThat(run.step(1, false, scale).notFinite()).isZero();
    }
    assertThat(run.step(1, false, 1).notFinite()).isEqualTo(1);
    assertThat(run.step(1, false, 1).notFinite()).isEqualTo(2);
    assertThat(run.saves()).isTrue();
  }

  /** It is no sign of health either, so it does not end a row of losses that are NaN. */
  @Test
  void shouldLetAnOverflowNeitherCountNorEndARow() {
    OneWorker run = new OneWorker(9);
    assertThat(run.step(NAN, false, 1024).notFinite()).isEqualTo(1);
    assertThat(run.step(1, false, 512).notFinite()).isEqualTo(1);
    assertThat(run.step(NAN, false, 256).notFinite()).isEqualTo(2);
    assertThat(run.step(1, true, 256).notFinite()).isZero();
  }
}
