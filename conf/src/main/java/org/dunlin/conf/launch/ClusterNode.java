package org.dunlin.conf.launch;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.AddressFromURIString;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.Terminated;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Join;
import org.apache.pekko.cluster.typed.JoinSeedNodes;
import org.apache.pekko.cluster.typed.Leave;
import org.dunlin.protocol.message.Endpoint;

/** An actor system that is a node of the run's cluster. Close it to leave. Thread-safe. */
public final class ClusterNode implements AutoCloseable {
  private static final String NAME = "dunlin";

  /** The role of nodes that vote on who belongs to the cluster. */
  private static final String COORDINATOR = "coordinator";

  private static final long CLOSE_SECONDS = 20;
  private static final long LEAVE_SECONDS = 3;

  private final ActorSystem<Void> system;

  private ClusterNode(ActorSystem<Void> system) {
    this.system = system;
  }

  /**
   * Starts a node that is not yet a member of any cluster.
   *
   * @param roles coordinator, worker, or both
   * @param host under which other nodes reach this one
   */
  public static ClusterNode start(List<String> roles, String host) {
    return start(roles, host, 0);
  }

  /**
   * As {@link #start(List, String)}, at a port.
   *
   * @param port 0 for any free one
   */
  static ClusterNode start(List<String> roles, String host, int port) {
    Config own =
        ConfigFactory.parseMap(
            Map.of(
                "pekko.cluster.roles",
                roles,
                "pekko.remote.artery.canonical.hostname",
                host,
                "pekko.remote.artery.canonical.port",
                port));
    // A worker's node decides nothing: it must neither down the coordinator nor itself.
    Config voting =
        roles.contains(COORDINATOR)
            ? ConfigFactory.empty()
            : ConfigFactory.parseMap(Map.of("pekko.cluster.downing-provider-class", ""));
    Config config =
        own.withFallback(voting)
            .withFallback(settings())
            .withFallback(ConfigFactory.defaultReferenceUnresolved())
            .resolve();
    return new ClusterNode(ActorSystem.create(Behaviors.empty(), NAME, config));
  }

  private static Config settings() {
    return ConfigFactory.parseResourcesAnySyntax("dunlin-pekko.conf");
  }

  /** How long a node may be silent before its membership is in doubt. */
  static long membershipPauseMs() {
    return settings()
        .getDuration(
            "pekko.cluster.failure-detector.acceptable-heartbeat-pause", TimeUnit.MILLISECONDS);
  }

  /** Forms a cluster of this node alone, which others may join. */
  public void joinItself() {
    Cluster cluster = Cluster.get(system);
    cluster.manager().tell(Join.create(cluster.selfMember().address()));
  }

  /** Joins the cluster of another node; keeps trying until it is there. */
  public void join(String address) {
    Address seed = AddressFromURIString.parse(address);
    Cluster.get(system).manager().tell(new JoinSeedNodes(List.of(seed)));
  }

  /** Joins the cluster of the node at an address, which must be the very one it was given. */
  void join(Endpoint at) {
    join("pekko://%s@%s:%d".formatted(NAME, at.host(), at.port()));
  }

  /** Where this node is reached. */
  Endpoint endpoint() {
    Address address = Cluster.get(system).selfMember().address();
    return new Endpoint(address.getHost().orElseThrow(), address.getPort().orElseThrow());
  }

  /** Where this node is reached: what {@link #join(String)} takes. */
  public String address() {
    return Cluster.get(system).selfMember().address().toString();
  }

  public ActorSystem<Void> system() {
    return system;
  }

  /** Starts an actor. */
  public <T> ActorRef<T> spawn(Behavior<T> behavior, String name) {
    return system.systemActorOf(behavior, name, Props.empty());
  }

  /** Completes when an actor has stopped. */
  public CompletionStage<Void> stopped(ActorRef<?> actor) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Behavior<Void> watcher =
        Behaviors.setup(
            context -> {
              context.watch(actor.unsafeUpcast());
              return Behaviors.receive(Void.class)
                  .onSignal(
                      Terminated.class,
                      signal -> {
                        done.complete(null);
                        return Behaviors.stopped();
                      })
                  .build();
            });
    spawn(watcher, "watch-" + actor.path().name());
    return done;
  }

  /** Tells the other nodes that this one leaves, so that they need not find it dead; waits. */
  void leave() {
    Cluster cluster = Cluster.get(system);
    cluster.manager().tell(Leave.create(cluster.selfMember().address()));
    await(LEAVE_SECONDS);
  }

  /** Leaves the cluster and waits until everything of this node is closed, within a limit. */
  @Override
  public void close() {
    system.terminate();
    await(CLOSE_SECONDS);
  }

  private void await(long limitSeconds) {
    try {
      system
          .getWhenTerminated()
          .toCompletableFuture()
          .copy()
          .orTimeout(limitSeconds, TimeUnit.SECONDS)
          .exceptionally(late -> null)
          .get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (java.util.concurrent.ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }
}
