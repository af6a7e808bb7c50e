package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.typed.ActorRef;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.protocol.WorkerId;
import org.dunlin.worker.hang.HangLimits;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.member.WorkerActor;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.member.WorkerSetup;
import org.dunlin.worker.step.StepCompute;
import org.dunlin.worker.trace.Trace;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A run in this process alone: a cluster of one node that is the coordinator and all workers. More
 * than one of them gain nothing but a test of how they work together.
 */
final class LocalRun {
  private static final Logger LOG = LoggerFactory.getLogger(LocalRun.class);

  static final String HOST = "127.0.0.1";

  // When one of the two has ended, the other one has nothing left to do.
  private static final long END_SECONDS = 60;

  private LocalRun() {}

  static Outcome run(
      Inputs inputs,
      Settings settings,
      Path runFolder,
      int workers,
      Watcher watcher,
      StopRequest stop) {
    Logs.toFile(RunFolder.log(runFolder));
    OutcomeOf outcome = new OutcomeOf();
    List<CompletableFuture<WorkerEnd>> workerEnds = new ArrayList<>();
    try (TermFile.Held held = TermFile.take(runFolder);
        EventRelay relay =
            new EventRelay(
                event -> {
                  outcome.add(event);
                  watcher.accept(withSupervisor(event));
                });
        ClusterNode node = ClusterNode.start(List.of("coordinator", "worker"), HOST)) {
      node.joinItself();
      ActorRef<CoordinatorActor.Command> coordinator =
          node.spawn(
              CoordinatorActor.create(
                  inputs.run(
                      held.term(), false, Admission.closed(workers), HOST, runFolder, relay)),
              "coordinator");
      List<ActorRef<?>> actors = new ArrayList<>(List.of(coordinator));
      for (int w = 1; w <= workers; w++) {
        String name = "worker-" + w;
        HangWatch watch = HangWatch.start(HangLimits.USUAL);
        watch.hung().thenAccept(what -> LOG.warn("{}: {}; it is waited for", name, what));
        WorkerSetup setup =
            new WorkerSetup(
                new WorkerId(name, 1),
                Version.CURRENT,
                HOST,
                spec ->
                    StepCompute.among(
                        workers,
                        spec,
                        settings.computeThreads(),
                        trace(settings, runFolder, name),
                        watch),
                spec -> "", // all compute in this process
                settings.leaseMs(),
                HangWatch.NONE, // nobody could do its work instead
                sentence -> {});
        CompletableFuture<WorkerEnd> end = new CompletableFuture<>();
        end.minimalCompletionStage().thenRun(watch::close);
        workerEnds.add(end);
        actors.add(node.spawn(WorkerActor.create(setup, CoordinatorActor.KEY, end), name));
      }
      stop.first().thenRun(() -> coordinator.tell(new CoordinatorActor.Stop()));
      awaitEnd(node, actors, workerEnds);
    }
    return outcome
        .outcome()
        .orElseGet(() -> new Outcome.Failed("the run stopped: " + reason(workerEnds)));
  }

  private static Trace trace(Settings settings, Path runFolder, String worker) {
    return settings.traces() ? Trace.to(RunFolder.trace(runFolder, worker), worker) : Trace.NONE;
  }

  private static String reason(List<CompletableFuture<WorkerEnd>> workerEnds) {
    return workerEnds.stream()
        .filter(end -> end.isDone() && !end.isCompletedExceptionally())
        .map(end -> end.join().reason())
        .findFirst()
        .orElse("see its log");
  }

  private static void awaitEnd(
      ClusterNode node, List<ActorRef<?>> actors, List<CompletableFuture<WorkerEnd>> workerEnds) {
    List<CompletableFuture<?>> ends = new ArrayList<>(workerEnds);
    for (ActorRef<?> actor : actors) {
      ends.add(node.stopped(actor).toCompletableFuture());
    }
    CompletableFuture<?>[] stopped =
        ends.subList(workerEnds.size(), ends.size()).toArray(CompletableFuture<?>[]::new);
    CompletableFuture.anyOf(stopped).join();
    CompletableFuture.allOf(ends.toArray(CompletableFuture<?>[]::new))
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
