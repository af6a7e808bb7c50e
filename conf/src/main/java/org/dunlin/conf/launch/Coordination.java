package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.coordinator.actor.Run;

/** A coordinator's node: it forms the run's cluster, which workers of other processes join. */
final class Coordination {
  private Coordination() {}

  /**
   * Runs it to its end.
   *
   * @param runFolder where other commands find it
   * @param port 0 for any free one
   * @param formed hears of the node once workers can join it
   * @param stop ends the run after the step under way
   */
  static void run(
      Run run, Path runFolder, int port, Consumer<ClusterNode> formed, CompletionStage<Void> stop) {
    try (ClusterNode node = ClusterNode.start(List.of("coordinator"), run.host(), port)) {
      node.joinItself();
      lead(node, run, runFolder, formed, stop);
    }
  }

  /** The same on a node that has its place in the cluster. */
  static void lead(
      ClusterNode node,
      Run run,
      Path runFolder,
      Consumer<ClusterNode> formed,
      CompletionStage<Void> stop) {
    ActorRef<CoordinatorActor.Command> coordinator =
        node.spawn(CoordinatorActor.create(run), "coordinator");
    try (Control control = Control.listen(runFolder, coordinator)) {
      control.announce();
      formed.accept(node);
      stop.thenRun(() -> coordinator.tell(new CoordinatorActor.Stop()));
      node.stopped(coordinator).toCompletableFuture().join();
    }
  }
}
