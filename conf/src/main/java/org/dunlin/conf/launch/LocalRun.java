package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.typed.ActorRef;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.report.Watcher;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.protocol.WorkerId;
import org.dunlin.worker.member.WorkerActor;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.member.WorkerSetup;
import org.dunlin.worker.step.StepCompute;

/** A run in this process alone: a cluster of one node that is coordinator and worker. */
final class LocalRun {
  static final String HOST = "127.0.0.1";

  // When one of the two has ended, the other one has nothing left to do.
  private static final long END_SECONDS = 60;

  private LocalRun() {}

  static Outcome run(
      Inputs inputs, Path runFolder, int computeThreads, Watcher watcher, StopRequest stop) {
    Logs.toFile(RunFolder.log(runFolder));
    OutcomeOf outcome = new OutcomeOf();
    CompletableFuture<WorkerEnd> workerEnd = new CompletableFuture<>();
    try (EventRelay relay =
            new EventRelay(
                event -> {
                  outcome.add(event);
                  watcher.accept(withSupervisor(event));
                });
        ClusterNode node = ClusterNode.start(List.of("coordinator", "worker"), HOST)) {
      node.joinItself();
      ActorRef<CoordinatorActor.Command> coordinator =
          node.spawn(
              CoordinatorActor.create(inputs.run(Admission.closed(1), HOST, runFolder, relay)),
              "coordinator");
      WorkerSetup setup =
          new WorkerSetup(
              new WorkerId("worker-1", 1),
              Version.CURRENT,
              HOST,
              spec -> new StepCompute(spec, computeThreads),
              spec -> "", // nobody to compare it with
              sentence -> {});
      ActorRef<WorkerActor.Command> worker =
          node.spawn(WorkerActor.create(setup, CoordinatorActor.KEY, workerEnd), "worker");
      stop.first().thenRun(() -> coordinator.tell(new CoordinatorActor.Stop()));
      awaitEnd(node, coordinator, worker, workerEnd);
    }
    return outcome
        .outcome()
        .orElseGet(
            () ->
                new Outcome.Failed(
                    "the run stopped: "
                        + workerEnd
                            .completeOnTimeout(null, 0, TimeUnit.SECONDS)
                            .thenApply(end -> end == null ? "see its log" : end.reason())
                            .join()));
  }

  private static void awaitEnd(
      ClusterNode node,
      ActorRef<CoordinatorActor.Command> coordinator,
      ActorRef<WorkerActor.Command> worker,
      CompletableFuture<WorkerEnd> workerEnd) {
    CompletableFuture<Void> coordinatorStopped = node.stopped(coordinator).toCompletableFuture();
    CompletableFuture<Void> workerStopped = node.stopped(worker).toCompletableFuture();
    CompletableFuture.anyOf(coordinatorStopped, workerStopped).join();
    CompletableFuture.allOf(coordinatorStopped, workerStopped, workerEnd)
        .completeOnTimeout(null, END_SECONDS, TimeUnit.SECONDS)
        .join();
  }

  // Here one process has all three roles.
  private static RunEvent withSupervisor(RunEvent event) {
    if (!(event instanceof RunEvent.Processes now)) {
      return event;
    }
    List<RunEvent.Member> all = new ArrayList<>();
    all.add(new RunEvent.Member("supervisor", "supervisor", 1, ProcessHandle.current().pid()));
    all.addAll(now.processes());
    return new RunEvent.Processes(List.copyOf(all));
  }
}
