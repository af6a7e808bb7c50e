package org.dunlin.coordinator.step;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.Test;

/** What comes to nothing again and again, though nobody dies, ends in a sentence. */
class RetriesTest {
  private static final Term TERM = new Term(1);
  private static final WorkerId A = new WorkerId("a", 1);
  private static final WorkerId B = new WorkerId("b", 1);
  private static final WorkerId C = new WorkerId("c", 1);
  private static final int ENOUGH = 100;

  private final StepProtocol protocol = new StepProtocol(TERM, 3, 4, Admission.closed(3), 0);
  private State state = State.initial();
  private List<Effect> effects = List.of();

  RetriesTest() {
    for (WorkerId worker : List.of(A, B, C)) {
      on(new Event.Joined(worker));
    }
    for (WorkerId worker : List.of(A, B, C)) {
      on(new Event.Loaded(worker, TERM, "probe"));
    }
  }

  private void on(Event event) {
    StepProtocol.Decision decision = protocol.next(state, event);
    state = decision.next();
    effects = decision.effects();
  }

  private void part() {
    on(new Event.Parted(A, TERM, state.generation()));
    on(new Event.Waited(state.generation()));
  }

  private void commit() {
    long step = state.step();
    for (Share share : state.shares()) {
      StepResult result =
          new StepResult(
              state.step(), 7, true, 1, new Scalars(state.step(), 1, 0), new double[0], 0);
      on(new Event.Prepared(share.worker(), TERM, state.generation(), result));
    }
    on(new Event.Ledgered(step, false));
  }

  /** Attempts until the run fails; more than enough if it does not. */
  private int partUntilFailed() {
    int times = 0;
    while (state.phase() == State.Phase.STEPPING && times < ENOUGH) {
      part();
      times++;
    }
    return times;
  }

  private String sentence() {
    return effects.stream()
        .filter(Effect.Fail.class::isInstance)
        .map(effect -> ((Effect.Fail) effect).sentence())
        .findFirst()
        .orElseThrow();
  }

  @Test
  void shouldFailWhenWorkersCannotReachEachOther() {
    assertThat(partUntilFailed()).isEqualTo(9);
    assertThat(sentence())
        .isEqualTo(
            "step 0: the workers reach the coordinator but not each other, after 8 new attempts; let every host reach every other one's ports");
  }

  @Test
  void shouldCountOnlyAttemptsInARow() {
    part();
    commit();
    assertThat(partUntilFailed()).isEqualTo(9);
  }

  @Test
  void shouldTryAnewOnceAWorkerIsLost() {
    part();
    on(new Event.Lost(B, "is gone"));
    assertThat(partUntilFailed()).isEqualTo(9);
  }

  /** A bit may flip just when connections break. */
  @Test
  void shouldSumUpAgainHoweverOftenTheStepWasBegunBefore() {
    for (int times = 0; times < 8; times++) {
      part();
    }
    on(new Event.Lost(C, "is gone"));
    part();
    part();
    for (int times = 0; times < 2; times++) {
      disagree();
      assertThat(state.phase()).isEqualTo(State.Phase.STEPPING);
    }
    disagree();
    assertThat(sentence()).startsWith("step 0: the workers hold different gradients or states ");
  }

  private void disagree() {
    for (WorkerId worker : List.of(A, B)) {
      StepResult result =
          new StepResult(
              0, worker.name().hashCode(), true, 1, new Scalars(0, 1, 0), new double[0], 0);
      on(new Event.Prepared(worker, TERM, state.generation(), result));
    }
  }

  @Test
  void shouldAskEveryLivingMemberForTheModelAndFailWhenNoStreamArrives() {
    commit();
    commit();
    commit();
    int times = 0;
    while (state.phase() == State.Phase.SAVING && times < ENOUGH) {
      WorkerId source = state.source().orElseThrow();
      on(new Event.Offered(source, TERM, 3));
      on(new Event.SaveFailed(source, "the stream broke"));
      times++;
    }
    assertThat(times).isEqualTo(9);
    assertThat(sentence())
        .startsWith("the model could not be fetched after 8 new attempts; worker ")
        .endsWith(": the stream broke");
  }
}
