package org.dunlin.conf.launch;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.ActorSelection;
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

/**
 * An actor system that is a node of the run's cluster. Close it to leave. Thread-safe.
 *
 * <p>A cluster outlives its coordinator as long as one other node lives. Who comes next is either a
 * standby, a member already: it {@linkplain #preside presides} from one moment to the next; or a
 * new process, which {@linkplain #takeOver comes in} through the workers that live.
 */
public final class ClusterNode implements AutoCloseable {
  private static final String NAME = "dunlin";

  /** The role of nodes that vote on who belongs to the cluster. */
  static final String COORDINATOR = "coordinator";

  /** The role of a node that may become the coordinator's, see {@link #preside}. */
  static final String STANDBY = "standby";

  private static final String UNDERTAKER = "undertaker";
  private static final Duration KNOCK = Duration.ofMillis(200);

  private static final int SILENCES = 10;

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
    Config config =
        own.withFallback(settings())
            .withFallback(ConfigFactory.defaultReferenceUnresolved())
            .resolve();
    ClusterNode node = new ClusterNode(ActorSystem.create(Behaviors.empty(), NAME, config));
    node.spawn(Undertaker.onDemand(), UNDERTAKER);
    return node;
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
    buryUnreachable();
  }

  // Who coordinates decides alone, and never about itself: the resolver that Pekko brings took the
  // coordinator down with all others when many workers came and went.
  private void buryUnreachable() {
    spawn(Undertaker.ofUnreachable(), "undertaker-of-unreachable");
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

  /**
   * Makes this standby's node the coordinator's, one standby at a time: the nodes of coordinators
   * before it, which may have been standbys themselves, are down from now on, and later every node
   * that stays unreachable. Only for who holds the run's term. Returns at once, from any thread.
   *
   * <p>A node that is down keeps nobody out, but is forgotten only when it is found unreachable, 30
   * s later: until then the receptionist may list the dead coordinator's actor beside this one's.
   */
  void preside() {
    undertaker(address()).tell(address(), Undertaker.NOBODY);
    buryUnreachable();
  }

  /**
   * Lets the node of a new coordinator's process into the cluster that an older one left, through
   * its living workers; forms a new cluster only if none of their processes lives. Only for who
   * holds the run's term. Start this node at the old one's port, or workers that join later do not
   * find it.
   *
   * <p>Blocks, so not for an actor's thread, until the workers were asked: some milliseconds where
   * they answer or their processes are gone, {@code patience} where one lives and is silent. The
   * membership follows by itself, within 1 to 3 s; {@link #joined} tells when.
   *
   * @param workers addresses of the workers of the old cluster
   * @param patience how long a process may live and not answer. Those that answer are joined after
   *     that, and the silent one is removed. If none answers the one that is silent is waited for
   *     {@value #SILENCES} times as long, because beside it no second cluster should form
   * @return the addresses that answered; empty: a new cluster was formed
   */
  List<String> takeOver(List<String> workers, Duration patience) {
    long beganNs = System.nanoTime();
    long patientUntilNs = beganNs + patience.toNanos();
    long lastUntilNs = beganNs + SILENCES * patience.toNanos();
    List<String> silent = new ArrayList<>(workers);
    List<String> dead = new ArrayList<>();
    List<String> living = new ArrayList<>();
    while (!silent.isEmpty()
        && System.nanoTime() < (living.isEmpty() ? lastUntilNs : patientUntilNs)) {
      for (String address : List.copyOf(silent)) {
        boolean answers = answers(address);
        if (answers || !listens(address)) {
          silent.remove(address);
          (answers ? living : dead).add(address);
        }
      }
    }
    if (living.isEmpty()) {
      joinItself();
      return List.of();
    }
    buryUnreachable();
    dead.addAll(silent);
    for (String bearer : living) {
      // One at this very address gives way to the new one by itself, unless it is removed before.
      undertaker(bearer).tell(address(), Undertaker.NOBODY);
      for (String address : dead) {
        undertaker(bearer).tell(AddressFromURIString.parse(address), Undertaker.NOBODY);
      }
    }
    Cluster.get(system)
        .manager()
        .tell(new JoinSeedNodes(living.stream().map(AddressFromURIString::parse).toList()));
    return List.copyOf(living);
  }

  private boolean answers(String address) {
    return undertaker(address)
        .resolveOne(KNOCK)
        .toCompletableFuture()
        .handle((found, absent) -> absent == null)
        .join();
  }

  private ActorSelection undertaker(String address) {
    return system.classicSystem().actorSelection(address + "/system/" + UNDERTAKER);
  }

  // A stopped process still does, through its kernel; a dead one's port refuses.
  private static boolean listens(String address) {
    Address at = AddressFromURIString.parse(address);
    try (Socket socket = new Socket()) {
      socket.connect(
          new InetSocketAddress(at.getHost().orElseThrow(), at.getPort().orElseThrow()),
          (int) KNOCK.toMillis());
      return true;
    } catch (SocketTimeoutException e) {
      return true; // not refused: it may be cut off
    } catch (IOException e) {
      return false;
    }
  }

  /** Completes when this node is a full member of a cluster. */
  CompletionStage<Void> joined() {
    CompletableFuture<Void> up = new CompletableFuture<>();
    org.apache.pekko.cluster.Cluster.get(system).registerOnMemberUp(() -> up.complete(null));
    return up;
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
