package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.time.Duration;
import java.util.OptionalInt;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.dunlin.conf.report.NodesFile;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.protocol.Refusal;

/** A coordinator's node, and what it does there. */
final class Coordination {
  // Whoever lives lets it in within some seconds; whoever dies meanwhile does not.
  private static final long JOIN_SECONDS = 60;

  private Coordination() {}

  /**
   * Lets a node into the cluster that a coordinator left which died, or forms a new one if nobody
   * there lives. Only for who holds the run's term. Blocks for some seconds.
   *
   * @param patience how long a worker may be silent
   * @return how many let it in; empty if they did not get to it
   */
  static OptionalInt succeed(ClusterNode node, NodesFile.Nodes left, Duration patience) {
    int living = node.takeOver(left.workers(), patience).size();
    try {
      node.joined().toCompletableFuture().get(JOIN_SECONDS, TimeUnit.SECONDS);
      return OptionalInt.of(living);
    } catch (TimeoutException e) {
      return OptionalInt.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Refusal.run("interrupted while the run's workers were found", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * Runs it to its end, on a node that has its place in the cluster.
   *
   * @param runFolder where other commands find it
   * @param formed hears of the node once workers can join it
   * @param stop ends the run after the step under way
   */
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
