package org.dunlin.it.benchmark;

import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.dunlin.conf.launch.ClusterNode;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.PulseSign;
import org.dunlin.protocol.message.Seat;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.message.ToCoordinator;
import org.dunlin.protocol.message.ToWorker;
import org.dunlin.protocol.run.Scalars;

/**
 * All workers of {@link ControlPlaneBenchmark}, in one process: they load, take their feed, show a
 * pulse and answer, and compute nothing. Like real ones, which sum gradients together, none answers
 * for a step before all have the commit of the one before.
 */
public final class ControlPlaneWorkers {
  static final String VERSION = "benchmark";
  private static final String HOST = "127.0.0.1";
  private static final int PULSES_A_LEASE = 4;

  private final int count;
  private final int computeMs;
  private final int warmup;
  private final int steps;
  private final Map<WorkerId, Member> members = new ConcurrentHashMap<>();
  private final Queue<DataOutputStream> pulses = new ConcurrentLinkedQueue<>();
  private final AtomicInteger there = new AtomicInteger();
  private final Semaphore all = new Semaphore(0);
  private volatile int leaseMs;

  /** A worker with its slots: ready for a step when it has the commit before and its feed. */
  private final class Member {
    private final WorkerId id;
    private final ToWorker.Assign assigned;
    private final int slots;
    private final ActorRef<ToCoordinator> coordinator;
    private long committed;
    private long items;
    private long ready;

    Member(WorkerId id, ToWorker.Assign assigned, ActorRef<ToCoordinator> coordinator) {
      this.id = id;
      this.assigned = assigned;
      this.coordinator = coordinator;
      this.slots =
          assigned.roster().stream()
              .filter(seat -> seat.worker().equals(id))
              .mapToInt(Seat::slots)
              .sum();
    }

    synchronized void committed(long step) {
      committed = step + 1;
      check();
    }

    // A header and a batch for each slot are a step.
    synchronized void fed() {
      items++;
      check();
    }

    private void check() {
      boolean isLast = committed == warmup + steps;
      if (ready == committed && (isLast || items >= (ready + 1) * (1 + slots))) {
        ready++;
        arrive();
      }
    }

    void answer(long step) {
      coordinator.tell(
          new ToCoordinator.Prepared(
              id, assigned.term(), assigned.generation(), result(step, slots)));
    }
  }

  private ControlPlaneWorkers(int count, int computeMs, int warmup, int steps) {
    this.count = count;
    this.computeMs = computeMs;
    this.warmup = warmup;
    this.steps = steps;
  }

  /** What starts them. */
  static List<String> command(
      String coordinator, int count, int perNode, int computeMs, int warmup, int steps) {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + "/bin/java");
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    Collections.addAll(
        command,
        "-Xmx4g", // the last one counts
        "-cp",
        System.getProperty("java.class.path"),
        ControlPlaneWorkers.class.getName(),
        coordinator);
    for (int number : new int[] {count, perNode, computeMs, warmup, steps}) {
      command.add(Integer.toString(number));
    }
    return command;
  }

  static WorkerId id(int number) {
    return new WorkerId("w%04d".formatted(number), 1);
  }

  static StepResult result(long step, int slots) {
    return new StepResult(
        step, 31 * step, true, 1, new Scalars(step + 1, 1, 0), new double[slots], 10);
  }

  /**
   * Takes part in one run; then says how much CPU a step took, and for each timed one how long it
   * was held, in milliseconds.
   */
  public static void main(String[] arguments) throws InterruptedException {
    int count = Integer.parseInt(arguments[1]);
    int perNode = Integer.parseInt(arguments[2]);
    ControlPlaneWorkers workers =
        new ControlPlaneWorkers(
            count,
            Integer.parseInt(arguments[3]),
            Integer.parseInt(arguments[4]),
            Integer.parseInt(arguments[5]));
    for (int first = 0; first < count; first += perNode) {
      ClusterNode node = ClusterNode.start(List.of("worker"), HOST);
      node.join(arguments[0]);
      node.spawn(workers.group(first, Math.min(count, first + perNode)), "workers");
    }
    Thread.ofPlatform().daemon().start(workers::pulse);
    System.out.println(workers.answer());
    while (true) {
      LockSupport.park(); // whoever started this ends it
    }
  }

  private String answer() throws InterruptedException {
    double[] heldMs = new double[warmup + steps];
    long cpuNs = 0;
    for (int step = 0; step < warmup + steps; step++) {
      all.acquire();
      long beganNs = System.nanoTime();
      if (step == warmup) {
        cpuNs = -ControlPlaneBenchmark.cpuNs();
      }
      long untilNs = beganNs + TimeUnit.MILLISECONDS.toNanos(computeMs);
      while (System.nanoTime() < untilNs) {
        LockSupport.parkNanos(untilNs - System.nanoTime());
      }
      heldMs[step] = (System.nanoTime() - beganNs) / 1e6;
      for (Member member : members.values()) {
        member.answer(step);
      }
    }
    all.acquire();
    cpuNs += ControlPlaneBenchmark.cpuNs();
    StringBuilder line = new StringBuilder("%.3f".formatted(cpuNs / 1e6 / steps));
    for (int step = warmup; step < warmup + steps; step++) {
      line.append(String.format(Locale.ROOT, " %.4f", heldMs[step]));
    }
    return line.toString();
  }

  // One search for the coordinator serves a node's workers.
  private Behavior<Receptionist.Listing> group(int first, int end) {
    return Behaviors.setup(
        context -> {
          context
              .getSystem()
              .receptionist()
              .tell(Receptionist.subscribe(CoordinatorActor.KEY, context.getSelf()));
          return Behaviors.receiveMessage(
              listing -> {
                for (ActorRef<ToCoordinator> found :
                    listing.getServiceInstances(CoordinatorActor.KEY)) {
                  for (int w = first; w < end; w++) {
                    WorkerId id = id(w);
                    context.spawn(worker(id, found), id.name());
                  }
                  return Behaviors.empty();
                }
                return Behaviors.same();
              });
        });
  }

  private Behavior<ToWorker> worker(WorkerId id, ActorRef<ToCoordinator> coordinator) {
    return Behaviors.setup(
        context -> {
          coordinator.tell(
              new ToCoordinator.Join(
                  id,
                  VERSION,
                  ProcessHandle.current().pid(),
                  new Endpoint(HOST, 1),
                  context.getSelf()));
          return Behaviors.receiveMessage(message -> heard(context, id, coordinator, message));
        });
  }

  private Behavior<ToWorker> heard(
      ActorContext<ToWorker> context,
      WorkerId id,
      ActorRef<ToCoordinator> coordinator,
      ToWorker message) {
    Materializer materializer = Materializer.matFromSystem(context.getSystem());
    switch (message) {
      case ToWorker.Welcome m -> {
        leaseMs = m.leaseMs();
        pulses.add(connect(id, m.pulse()));
        m.state()
            .getSource()
            .runWith(Sink.ignore(), materializer)
            .thenRun(
                () -> coordinator.tell(new ToCoordinator.Loaded(id, m.term(), "the same kernels")));
      }
      case ToWorker.Assign m -> {
        Member member = new Member(id, m, coordinator);
        members.put(id, member);
        m.feed().getSource().runWith(Sink.foreach(item -> member.fed()), materializer);
      }
      case ToWorker.Commit m -> members.get(id).committed(m.step());
      case ToWorker.Export m ->
          coordinator.tell(
              new ToCoordinator.Offered(
                  id,
                  m.term(),
                  m.steps(),
                  Source.single(ControlPlaneBenchmark.state())
                      .runWith(StreamRefs.sourceRef(), materializer)));
      case ToWorker.Leave m -> {
        return Behaviors.stopped();
      }
      default -> throw new IllegalStateException(message.toString());
    }
    return Behaviors.same();
  }

  private void arrive() {
    if (there.incrementAndGet() == count) {
      there.set(0);
      all.release();
    }
  }

  private static DataOutputStream connect(WorkerId id, Endpoint at) {
    try {
      DataOutputStream out =
          new DataOutputStream(new Socket(at.host(), at.port()).getOutputStream());
      out.writeUTF(id.name());
      out.writeLong(id.incarnation());
      return out;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void pulse() {
    try {
      while (true) {
        for (DataOutputStream out : pulses) {
          out.writeByte(PulseSign.ALIVE);
        }
        Thread.sleep(Math.max(1000, leaseMs) / PULSES_A_LEASE);
      }
    } catch (IOException | InterruptedException e) {
      // The run is over.
    }
  }
}
