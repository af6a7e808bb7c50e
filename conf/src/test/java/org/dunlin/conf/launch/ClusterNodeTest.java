package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.cluster.Cluster;
import org.apache.pekko.cluster.Member;
import org.apache.pekko.cluster.MemberStatus;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.protocol.message.ToCoordinator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Coordinators are processes of their own, and killed; the workers' nodes are here. */
class ClusterNodeTest {
  private static final long LIMIT_SECONDS = 120;
  private static final String HOST = "127.0.0.1";
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private final List<AutoCloseable> toClose = new ArrayList<>();

  /** A coordinator's node that registers itself; prints its address once it is a member. */
  static final class Coordinating {
    private Coordinating() {}

    public static void main(String[] arguments) throws IOException {
      ClusterNode node = ClusterNode.start(List.of("coordinator"), HOST);
      node.joinItself();
      register(node);
      node.joined().toCompletableFuture().join();
      System.out.println(node.address());
      System.out.flush();
      System.in.read();
    }
  }

  private static void register(ClusterNode node) {
    node.spawn(
        Behaviors.<ToCoordinator>setup(
            context -> {
              node.system()
                  .receptionist()
                  .tell(Receptionist.register(CoordinatorActor.KEY, context.getSelf()));
              return Behaviors.empty();
            }),
        "coordinator");
  }

  /** A worker's node, and whom it finds. */
  private final class Worker {
    private final ClusterNode node = start("worker", 0);
    private final BlockingQueue<Set<ActorRef<ToCoordinator>>> found = new LinkedBlockingQueue<>();

    Worker(String coordinator) {
      node.join(coordinator);
      node.spawn(
          Behaviors.<Receptionist.Listing>setup(
              context -> {
                node.system()
                    .receptionist()
                    .tell(Receptionist.subscribe(CoordinatorActor.KEY, context.getSelf()));
                return Behaviors.receive(Receptionist.Listing.class)
                    .onAnyMessage(
                        listing -> {
                          found.add(listing.getServiceInstances(CoordinatorActor.KEY));
                          return Behaviors.same();
                        })
                    .build();
              }),
          "finder");
    }

    /** Waits until it finds a coordinator at an address, which is not an older one. */
    ActorRef<ToCoordinator> await(String address, ActorRef<ToCoordinator> older)
        throws InterruptedException {
      while (true) {
        Set<ActorRef<ToCoordinator>> now = found.poll(LIMIT_SECONDS, TimeUnit.SECONDS);
        assertThat(now).as("found within %d s", LIMIT_SECONDS).isNotNull();
        for (ActorRef<ToCoordinator> each : now) {
          if (!each.equals(older) && each.path().address().toString().equals(address)) {
            return each;
          }
        }
      }
    }
  }

  private Process process;
  private String old;

  @BeforeEach
  void startACoordinator() throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(flag -> !flag.startsWith("-javaagent") && !flag.startsWith("-Xm"))
        .forEach(command::add);
    command.addAll(
        List.of(
            "-Xmx128m",
            "-cp",
            System.getProperty("java.class.path"),
            Coordinating.class.getName()));
    process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    toClose.add(() -> kill(process));
    BufferedReader lines = process.inputReader();
    String line = lines.readLine();
    while (line != null && !line.startsWith("pekko:")) {
      line = lines.readLine();
    }
    old = line;
    assertThat(old).isNotNull();
  }

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable each : toClose.reversed()) {
      each.close();
    }
  }

  private static void kill(Process process) throws InterruptedException {
    process.toHandle().destroyForcibly();
    assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)).isTrue();
  }

  private ClusterNode start(String role, int port) {
    ClusterNode node = ClusterNode.start(List.of(role), HOST, port);
    toClose.add(node);
    return node;
  }

  private int oldPort() {
    return Integer.parseInt(old.substring(old.lastIndexOf(':') + 1));
  }

  private static void awaitUp(ClusterNode node) throws Exception {
    node.joined().toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  // But those that are only waiting to be forgotten.
  private static List<String> members(ClusterNode node) {
    List<String> addresses = new ArrayList<>();
    for (Member member : Cluster.get(node.system()).state().getMembers()) {
      if (!member.status().equals(MemberStatus.down())) {
        addresses.add(member.address().toString());
      }
    }
    return addresses;
  }

  @Test
  void shouldFindTheStandbyThatPresides() throws Exception {
    Worker worker = new Worker(old);
    ClusterNode standby = start(ClusterNode.STANDBY, 0);
    standby.join(old);
    awaitUp(standby);
    awaitUp(worker.node);
    ActorRef<ToCoordinator> first = worker.await(old, null);

    kill(process);
    standby.preside();
    register(standby);

    worker.await(standby.address(), first);
    // The dead one is no member any more, so that others are let in.
    Worker late = new Worker(standby.address());
    late.await(standby.address(), first);
    awaitUp(late.node);
    assertThat(members(standby)).doesNotContain(old).contains(late.node.address());
  }

  @Test
  void shouldLetANewCoordinatorInThroughTheWorkerThatLivesThoughAnotherDiedToo() throws Exception {
    Worker worker = new Worker(old);
    awaitUp(worker.node);
    ActorRef<ToCoordinator> first = worker.await(old, null);
    ClusterNode doomed = start("worker", 0);
    doomed.join(old);
    awaitUp(doomed);
    String gone = doomed.address();

    kill(process);
    doomed.close(); // ungraceful: it does not leave the cluster
    ClusterNode next = start("coordinator", oldPort());
    register(next);
    assertThat(next.address()).isEqualTo(old);
    assertThat(next.takeOver(List.of(gone, worker.node.address()), PATIENCE))
        .containsExactly(worker.node.address());

    awaitUp(next);
    worker.await(old, first);
    assertThat(members(next)).contains(worker.node.address()).doesNotContain(gone);
    assertThat(worker.node.system().getWhenTerminated().toCompletableFuture()).isNotDone();
  }

  @Test
  void shouldLetANewCoordinatorInThoughTheStandbyThatPresidedDiedToo() throws Exception {
    Worker worker = new Worker(old);
    ClusterNode standby = start(ClusterNode.STANDBY, 0);
    standby.join(old);
    awaitUp(standby);
    awaitUp(worker.node);
    ActorRef<ToCoordinator> first = worker.await(old, null);

    kill(process);
    standby.preside();
    standby.close(); // ungraceful, and nobody wrote down where it was
    ClusterNode next = start("coordinator", 0);
    register(next);
    assertThat(next.takeOver(List.of(worker.node.address()), PATIENCE)).hasSize(1);

    awaitUp(next);
    worker.await(next.address(), first);
  }

  @Test
  void shouldFormANewClusterOnlyIfNoWorkerLives() throws Exception {
    Worker worker = new Worker(old);
    awaitUp(worker.node);
    String gone = worker.node.address();

    kill(process);
    worker.node.close();
    ClusterNode next = start("coordinator", oldPort());
    register(next);
    assertThat(next.takeOver(List.of(gone), PATIENCE)).isEmpty();

    awaitUp(next);
    Worker late = new Worker(old);
    late.await(old, null);
    assertThat(members(next)).doesNotContain(gone);
  }
}
