package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.worker.member.WorkerActor;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.step.StepCompute;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A worker may be asked to leave while another one learns from it. */
class LeavingTeacherTest {
  @TempDir private Path folder;

  @Test
  void shouldEndThoughItsLearnerWaitsForTheNextStep() throws Exception {
    CompletableFuture<Boolean> taught = new CompletableFuture<>();
    try (ActorRun run =
        ActorRun.start(
            ActorRun.settings(folder, Map.of("train.steps", 1_000_000)),
            new Admission(2, Admission.Comers.ANY, false))) {
      ActorRun.Worker teacher = run.add("worker-1", device -> device);
      run.add("worker-2", device -> device);
      run.awaitStep();
      run.add("learner", device -> new SlowLearner(device, taught));
      taught.get(ActorRun.LIMIT_SECONDS, TimeUnit.SECONDS);

      teacher.actor().tell(new WorkerActor.Leave());

      WorkerEnd end = teacher.end().get(ActorRun.LIMIT_SECONDS, TimeUnit.SECONDS);
      assertThat(end.failed()).as(end.reason()).isFalse();
      run.stop();
      run.awaitEnd();
    }
  }

  /** It has never learnt enough, so that its lessons go on for as long as its teachers do. */
  private static final class SlowLearner extends ForwardingDevice {
    private final CompletableFuture<Boolean> taught;

    SlowLearner(StepCompute to, CompletableFuture<Boolean> taught) {
      super(to);
      this.taught = taught;
    }

    @Override
    public Study study(int shares) {
      Study study = super.study(shares);
      return (share, item) -> {
        Progress progress = study.accept(share, item);
        if (progress.whole()) {
          taught.complete(true);
        }
        return new Progress(progress.steps(), false);
      };
    }
  }
}
