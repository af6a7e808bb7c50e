package org.dunlin.conf.launch;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.worker.member.WorkerActor;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.member.WorkerSetup;

/** A worker's node: it joins a run's cluster, and lives until it is sent away or cannot go on. */
final class Membership {
  // Closing a device waits for operators under way.
  private static final long CLOSE_SECONDS = 60;

  private Membership() {}

  /**
   * Runs it to its end.
   *
   * @param join lets the node join the cluster
   * @param where the cluster is, in words
   * @param stop ends the worker
   * @return how it ended; where its device hangs this process must end as well, and is killed if it
   *     does not do so soon
   */
  static WorkerEnd run(
      WorkerSetup setup, Consumer<ClusterNode> join, String where, CompletionStage<Void> stop) {
    CompletableFuture<WorkerEnd> end = new CompletableFuture<>();
    setup.watch().hung().thenRun(LastResort::arm);
    try (ClusterNode node = ClusterNode.start(List.of("worker"), setup.host())) {
      join.accept(node);
      var actor = node.spawn(WorkerActor.create(setup, CoordinatorActor.KEY, end), "worker");
      stop.thenRun(() -> actor.tell(new WorkerActor.Leave()));
      WorkerEnd silent = new WorkerEnd(true, "it stopped without a reason; see its log");
      node.stopped(actor)
          .thenRunAsync(
              () -> end.complete(silent),
              CompletableFuture.delayedExecutor(CLOSE_SECONDS, TimeUnit.SECONDS));
      node.system()
          .getWhenTerminated()
          .thenRun(() -> end.complete(new WorkerEnd(true, "it is not, or no longer, in " + where)));
      WorkerEnd ended = end.join();
      if (ended.failed() || stop.toCompletableFuture().isDone()) {
        node.leave(); // the others go on
      }
      return ended;
    }
  }
}
