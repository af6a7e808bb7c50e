package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.conf.launch.ClusterNode;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.AuditPlan;
import org.dunlin.coordinator.step.CheckpointPlan;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.EvaluationPlan;
import org.dunlin.coordinator.step.Past;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator;
import org.dunlin.protocol.message.ToWorker;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.member.WorkerActor;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.member.WorkerSetup;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A worker of another version, and one that hangs once it has joined; over real sockets. */
@Tag("process")
class StrangersTest {
  private static final String HOST = "127.0.0.1";

  @Test
  void shouldSendAWorkerOfAnotherVersionAway(@TempDir Path folder) throws Exception {
    try (ClusterNode coordinating = ClusterNode.start(List.of("coordinator"), HOST);
        ClusterNode working = ClusterNode.start(List.of("worker"), HOST)) {
      coordinating.joinItself();
      coordinating.spawn(CoordinatorActor.create(run(folder, 1000, event -> {})), "coordinator");
      working.join(coordinating.address());
      CompletableFuture<WorkerEnd> end = new CompletableFuture<>();
      WorkerSetup old =
          new WorkerSetup(
              new WorkerId("old", 1),
              "0.0.9",
              HOST,
              spec -> {
                throw new AssertionError("a worker that was refused makes no device");
              },
              spec -> {
                throw new AssertionError("a worker that was refused makes no probe");
              },
              1000,
              HangWatch.NONE,
              sentence -> {});
      working.spawn(WorkerActor.create(old, CoordinatorActor.KEY, end), "worker");

      assertThat(end.get(Golden.LIMIT_SECONDS, TimeUnit.SECONDS))
          .isEqualTo(
              new WorkerEnd(
                  true, "worker old#1 runs Dunlin 0.0.9 (expected: 0.1.0, the coordinator's)"));
    }
  }

  @Test
  void shouldNotWaitForAWorkerThatShowsNoPulse(@TempDir Path folder) throws Exception {
    CompletableFuture<String> failure = new CompletableFuture<>();
    try (ClusterNode node = ClusterNode.start(List.of("coordinator"), HOST)) {
      node.joinItself();
      ActorRef<ToWorker> mute = node.spawn(Behaviors.<ToWorker>ignore(), "mute");
      Consumer<RunEvent> watcher =
          event -> {
            if (event instanceof RunEvent.Failed failed) {
              failure.complete(failed.sentence());
            }
          };
      ActorRef<CoordinatorActor.Command> coordinator =
          node.spawn(CoordinatorActor.create(run(folder, 100, watcher)), "coordinator");
      node.spawn(
          Behaviors.<Receptionist.Listing>setup(
              context -> {
                Receptionist receptionist = Receptionist.get(context.getSystem());
                receptionist
                    .ref()
                    .tell(Receptionist.subscribe(CoordinatorActor.KEY, context.getSelf()));
                return Behaviors.receive(Receptionist.Listing.class)
                    .onMessage(
                        Receptionist.Listing.class,
                        found -> {
                          found
                              .getServiceInstances(CoordinatorActor.KEY)
                              .forEach(
                                  door ->
                                      door.tell(
                                          new ToCoordinator.Join(
                                              new WorkerId("mute", 1),
                                              "0.1.0",
                                              1,
                                              new Endpoint(HOST, 1),
                                              mute)));
                          return Behaviors.same();
                        })
                    .build();
              }),
          "finder");

      assertThat(failure.get(Golden.LIMIT_SECONDS, TimeUnit.SECONDS))
          .isEqualTo("worker mute#1 has shown no pulse within 1200 ms since it came");
      node.stopped(coordinator).toCompletableFuture().get(Golden.LIMIT_SECONDS, TimeUnit.SECONDS);
    }
  }

  private static Run run(Path folder, int leaseMs, Consumer<RunEvent> watcher) {
    RunSpec spec;
    var settings = Golden.settings(folder, 1, 1);
    try (ModelFolder model = ModelFolder.open(settings.modelPath())) {
      spec = settings.runSpec(model, 1, "none");
    }
    return new Run(
        new Term(1),
        spec,
        "0.1.0",
        HOST,
        leaseMs,
        Admission.closed(1),
        0,
        1000,
        Past.NONE,
        Optional.empty(),
        CheckpointPlan.NONE,
        Duration.ZERO,
        EvaluationPlan.NONE,
        AuditPlan.NONE,
        new NoEvaluations(),
        List.of(),
        step -> Source.empty(),
        new NoCheckpoints(),
        new NoModel(),
        record -> {
          throw new AssertionError("nothing was recorded");
        },
        new NoLedger(),
        watcher);
  }

  private static final class NoLedger implements Run.Ledger {
    @Override
    public void intend(long step, int epoch, Generation generation, long[] sampleIds) {
      throw new AssertionError("nothing was begun");
    }

    @Override
    public CompletionStage<Void> commit(long step, Generation generation, long checksum) {
      throw new AssertionError("nothing was committed");
    }

    @Override
    public void renounce(long fromStep, Generation generation) {
      throw new AssertionError("nothing was committed");
    }

    @Override
    public void rewind(long steps, long history) {
      throw new AssertionError("nothing was committed");
    }
  }

  private static final class NoEvaluations implements Run.Evaluator {
    @Override
    public String set() {
      return "";
    }

    @Override
    public CompletionStage<Run.Evaluation> measure(long steps) {
      throw new AssertionError("nothing was committed");
    }
  }

  private static final class NoCheckpoints implements Run.Checkpoints {
    @Override
    public CompletionStage<Optional<String>> begin(long steps) {
      throw new AssertionError("nothing was committed");
    }

    @Override
    public CompletionStage<String> complete(
        CheckpointPoint point,
        int epoch,
        long history,
        List<CutRecord> cuts,
        List<CheckpointPart> parts,
        Consumer<String> told) {
      throw new AssertionError("nothing was begun");
    }

    @Override
    public boolean membersWrite() {
      return true;
    }

    @Override
    public boolean hasCopies() {
      return false;
    }

    @Override
    public CompletionStage<CheckpointPart> write(
        long steps, ToCoordinator.ShareOffered share, Materializer materializer) {
      throw new AssertionError("nothing was begun");
    }

    @Override
    public void hold(SortedSet<Long> steps) {
      throw new AssertionError("nothing was measured");
    }

    @Override
    public void dropAfter(long steps) {
      throw new AssertionError("nothing was committed");
    }

    @Override
    public void abandon(long steps) {
      throw new AssertionError("nothing was begun");
    }

    @Override
    public CompletionStage<CheckpointPoint> newest(Consumer<String> skipped) {
      throw new AssertionError("nothing was lost");
    }

    @Override
    public Source<StateChunk, NotUsed> state(long steps) {
      return Source.empty();
    }
  }

  private static final class NoModel implements Run.ModelSink {
    @Override
    public CompletionStage<RunEvent.Saved> save(
        long steps, boolean isDone, Source<StateChunk, NotUsed> state, Materializer materializer) {
      throw new AssertionError("nothing was trained");
    }
  }
}
