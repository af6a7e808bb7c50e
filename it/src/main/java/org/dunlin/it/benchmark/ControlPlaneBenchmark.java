package org.dunlin.it.benchmark;

import com.sun.management.UnixOperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.serialization.Serialization;
import org.apache.pekko.serialization.SerializationExtension;
import org.apache.pekko.serialization.Serializer;
import org.apache.pekko.serialization.Serializers;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.dunlin.conf.launch.ClusterNode;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.AuditPlan;
import org.dunlin.coordinator.step.CheckpointPlan;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.EvaluationPlan;
import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.Past;
import org.dunlin.coordinator.step.State;
import org.dunlin.coordinator.step.StepProtocol;
import org.dunlin.data.feed.StepBatch;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.Seat;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator;
import org.dunlin.protocol.message.ToWorker;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.RunSpec;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The coordinator alone, with many workers that do everything but compute. */
@Command(
    name = "control-plane",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "Times the coordinator's share of a step: from a step's commit to the next one's, less the",
      "time between that all workers had the one and that they answered for the other. The workers",
      "are actors of another process; their state, batches and the ledger lie in memory.",
      "There is a slot and a pair of texts a worker, up to 1024 slots.",
      "Example: ./dunlin benchmark control-plane --workers 256,1024"
    })
final class ControlPlaneBenchmark implements Callable<Integer> {
  private static final String HOST = "127.0.0.1";
  private static final int LEASE_MS = 10_000;
  private static final int ROW_TOKENS = 8;
  private static final long LIMIT_MINUTES = 10;
  private static final int REPEATS = 500;
  private static final int PURE_STEPS = 30;

  @Option(names = "--workers", split = ",", description = "How many; each number in turn.")
  private List<Integer> workers = List.of(16, 64, 256, 1024);

  @Option(names = "--steps", description = "That are timed.")
  private int steps = 200;

  @Option(names = "--warmup", description = "Steps before that.")
  private int warmup = 100;

  @Option(
      names = "--compute-ms",
      description = "Between commit and answer, while which the feed goes on; 0: none.")
  private int computeMs = 100;

  @Option(
      names = "--workers-a-node",
      description = "That share a connection; more than some hundred overflow its queue.")
  private int workersPerNode = 256;

  @Override
  public Integer call() throws IOException {
    System.out.printf(
        "%d steps after %d, %d ms of computing, %d workers a node, %d processors%n",
        steps, warmup, computeMs, workersPerNode, Runtime.getRuntime().availableProcessors());
    System.out.printf(
        "%7s %30s %28s %16s %15s %21s%n",
        "workers",
        "commit to commit ms p50/p99/max",
        "decisions ms a step (median)",
        "start s, first",
        "CPU ms a step,",
        "coordinator's threads,");
    System.out.printf(
        "%7s %30s %28s %16s %15s %21s%n",
        "", "", "", "step's ms", "coord./workers", "files, heap MiB");
    for (int count : workers) {
      measure(count);
    }
    for (int count : workers) {
      messages(count);
    }
    return 0;
  }

  /** What one run showed; filled by the coordinator's watcher, on its thread. */
  private final class Shown implements Consumer<RunEvent> {
    private final CompletableFuture<Void> over = new CompletableFuture<>();
    private final double[] commitMs = new double[warmup + steps];
    private final long beganNs = System.nanoTime();
    private long cpuNs;
    private double startSeconds;
    private String held = "";

    @Override
    public void accept(RunEvent event) {
      switch (event) {
        case RunEvent.Started e -> startSeconds = (System.nanoTime() - beganNs) / 1e9;
        case RunEvent.StepCommitted e -> {
          commitMs[(int) e.step()] = 1e3 * e.seconds();
          if (e.step() == warmup - 1) {
            cpuNs = -cpuNs();
          } else if (e.step() == warmup + steps - 1) {
            cpuNs += cpuNs();
            held = holdings();
          }
        }
        case RunEvent.Finished e -> over.complete(null);
        case RunEvent.Failed e -> over.completeExceptionally(Refusal.run(e.sentence()));
        default -> {}
      }
    }

    void await() {
      try {
        over.get(LIMIT_MINUTES, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      } catch (TimeoutException e) {
        throw Refusal.run("the run has not ended after " + LIMIT_MINUTES + " minutes");
      } catch (ExecutionException e) {
        throw Refusal.run(e.getCause().getMessage(), e);
      }
    }
  }

  private static UnixOperatingSystemMXBean system() {
    return (UnixOperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  }

  static long cpuNs() {
    return system().getProcessCpuTime();
  }

  private static String holdings() {
    return "%d, %d, %d"
        .formatted(
            ManagementFactory.getThreadMXBean().getThreadCount(),
            system().getOpenFileDescriptorCount(),
            ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() >> 20);
  }

  private void measure(int count) throws IOException {
    Shown shown = new Shown();
    try (ClusterNode node = ClusterNode.start(List.of("coordinator"), HOST)) {
      node.joinItself();
      ActorRef<CoordinatorActor.Command> coordinator =
          node.spawn(CoordinatorActor.create(run(count, shown)), "coordinator");
      node.stopped(coordinator)
          .thenRun(() -> shown.over.completeExceptionally(Refusal.run("the coordinator stopped")));
      List<String> command =
          ControlPlaneWorkers.command(
              node.address(), count, workersPerNode, computeMs, warmup, steps);
      try (Group group = new Group(List.of(command))) {
        // Not on the common pool, which the coordinator's queues need: it may have one thread.
        CompletableFuture<List<String>> answer =
            CompletableFuture.supplyAsync(group::hear, task -> Thread.ofVirtual().start(task));
        answer.exceptionally(
            gone -> {
              shown.over.completeExceptionally(gone);
              return List.of();
            });
        shown.await();
        String[] told = answer.join().get(0).split(" ", -1);
        double[] ownMs = new double[steps];
        for (int s = 0; s < steps; s++) {
          ownMs[s] = shown.commitMs[warmup + s] - Double.parseDouble(told[1 + s]);
        }
        Arrays.sort(ownMs);
        System.out.printf(
            "%7d %30s %28s %16s %15s %21s%n",
            count,
            "%.2f / %.2f / %.2f".formatted(at(ownMs, 0.5), at(ownMs, 0.99), at(ownMs, 1)),
            "%.3f".formatted(decisionsMs(count)),
            "%.1f, %.0f".formatted(shown.startSeconds, shown.commitMs[0]),
            "%.1f / %.1f".formatted(shown.cpuNs / 1e6 / steps, Double.parseDouble(told[0])),
            shown.held);
      }
    }
  }

  private static double at(double[] sorted, double share) {
    return sorted[(int) Math.ceil(share * sorted.length) - 1];
  }

  private static BatchSpec batch(int count) {
    int slots = Math.min(BatchSpec.MAX_SLOTS, Integer.highestOneBit(count));
    return new BatchSpec(slots, 0, 1, slots, 4096, 1, ROW_TOKENS, ROW_TOKENS, 1);
  }

  private static StepBatch stepBatch(BatchSpec spec, long step) {
    int[] tokens = new int[spec.pairs()];
    Arrays.fill(tokens, ROW_TOKENS);
    BenchBatch made = BenchBatch.of(step, tokens, tokens, spec, 30_522);
    return new StepBatch(made.header(), made.slots());
  }

  private Run run(int count, Consumer<RunEvent> watcher) {
    RunSpec like = BenchModel.TINY.run(batch(count), false, ComputeSpec.PLAIN);
    RunSpec spec =
        new RunSpec(
            like.name(),
            like.seed(),
            warmup + steps,
            like.encoder(),
            like.weightsSha256(),
            like.dataSha256(),
            like.batch(),
            like.loss(),
            like.optimizer());
    LongFunction<Source<StepBatch, NotUsed>> batches =
        first ->
            Source.range((int) first, warmup + steps - 1)
                .map(step -> stepBatch(spec.batch(), step));
    return new Run(
        new Term(1),
        spec,
        ControlPlaneWorkers.VERSION,
        HOST,
        LEASE_MS,
        Admission.closed(count),
        0,
        1, // the least window: this step and the next
        Past.NONE,
        Optional.empty(),
        CheckpointPlan.NONE,
        Duration.ZERO,
        EvaluationPlan.NONE,
        AuditPlan.NONE,
        new NoEvaluations(),
        List.of(),
        batches,
        new NoCheckpoints(),
        (after, isDone, state, materializer) ->
            state
                .runWith(Sink.ignore(), materializer)
                .thenApply(done -> new RunEvent.Saved(after, "nowhere", "")),
        record -> CompletableFuture.completedFuture(null),
        new InMemory(),
        watcher);
  }

  static StateChunk state() {
    return new StateChunk(
        Kind.PARAMETER,
        "tensor",
        0,
        ByteBuffer.allocate(Float.BYTES).order(ByteOrder.LITTLE_ENDIAN));
  }

  private static final class InMemory implements Run.Ledger {
    @Override
    public void intend(long step, int epoch, Generation generation, long[] sampleIds) {}

    @Override
    public CompletionStage<Void> commit(long step, Generation generation, long checksum) {
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public void renounce(long fromStep, Generation generation) {}

    @Override
    public void rewind(long steps, long history) {}
  }

  private static final class NoEvaluations implements Run.Evaluator {
    @Override
    public String set() {
      return "";
    }

    @Override
    public CompletionStage<Run.Evaluation> measure(long steps) {
      throw new IllegalStateException("nobody asks for an evaluation");
    }
  }

  private static final class NoCheckpoints implements Run.Checkpoints {
    @Override
    public CompletionStage<Optional<String>> begin(long steps) {
      throw new IllegalStateException("nobody asks for a checkpoint");
    }

    @Override
    public CompletionStage<String> complete(
        CheckpointPoint point,
        int epoch,
        long history,
        List<CutRecord> cuts,
        List<CheckpointPart> parts,
        Consumer<String> told) {
      throw new IllegalStateException("nobody asks for a checkpoint");
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
      throw new IllegalStateException("nobody asks for a checkpoint");
    }

    @Override
    public void hold(SortedSet<Long> steps) {}

    @Override
    public void dropAfter(long steps) {}

    @Override
    public void abandon(long steps) {}

    @Override
    public CompletionStage<CheckpointPoint> newest(Consumer<String> skipped) {
      throw new IllegalStateException("no worker is lost");
    }

    @Override
    public Source<StateChunk, NotUsed> state(long steps) {
      return Source.single(ControlPlaneBenchmark.state());
    }
  }

  /** A step's decisions without actors or wire: what the pure state machine takes of it. */
  private static double decisionsMs(int count) {
    int slots = batch(count).slots();
    Term term = new Term(1);
    StepProtocol protocol =
        new StepProtocol(term, Long.MAX_VALUE, slots, Admission.closed(count), 0);
    State state = State.initial();
    for (int w = 0; w < count; w++) {
      state = protocol.next(state, new Event.Joined(ControlPlaneWorkers.id(w))).next();
    }
    List<Effect> last = List.of();
    for (int w = 0; w < count; w++) {
      StepProtocol.Decision loaded =
          protocol.next(state, new Event.Loaded(ControlPlaneWorkers.id(w), term, "probe"));
      state = loaded.next();
      last = loaded.effects();
    }
    Effect.Assign assign =
        last.stream()
            .filter(Effect.Assign.class::isInstance)
            .map(Effect.Assign.class::cast)
            .findFirst()
            .orElseThrow();
    double[] ms = new double[PURE_STEPS];
    for (int s = -PURE_STEPS; s < PURE_STEPS; s++) {
      List<Event> events = new ArrayList<>();
      long step = state.step();
      assign
          .shares()
          .forEach(
              share ->
                  events.add(
                      new Event.Prepared(
                          share.worker(),
                          term,
                          assign.generation(),
                          ControlPlaneWorkers.result(step, share.slots()))));
      events.add(new Event.Ledgered(step, false));
      long beganNs = System.nanoTime();
      for (Event event : events) {
        state = protocol.next(state, event).next();
      }
      if (s >= 0) {
        ms[s] = (System.nanoTime() - beganNs) / 1e6;
      }
    }
    Arrays.sort(ms);
    return at(ms, 0.5);
  }

  private void messages(int count) {
    try (ClusterNode node = ClusterNode.start(List.of("coordinator"), HOST)) {
      Serialization wire = SerializationExtension.get(node.system());
      StepBatch batch = stepBatch(batch(count), 0);
      List<Seat> roster = new ArrayList<>();
      for (int w = 0; w < count; w++) {
        roster.add(new Seat(ControlPlaneWorkers.id(w), new Endpoint(HOST, 40_000), w, 1));
      }
      Term term = new Term(1);
      Generation generation = new Generation(1);
      System.out.printf("%nmessages with %d workers%n", count);
      show(wire, "commit", new ToWorker.Commit(term, generation, 1_000));
      show(
          wire,
          "prepared",
          new ToCoordinator.Prepared(
              ControlPlaneWorkers.id(0), term, generation, ControlPlaneWorkers.result(1_000, 1)));
      show(
          wire,
          "assign",
          new ToWorker.Assign(
              term,
              generation,
              0,
              roster,
              Recompute.MISSING,
              Source.<FeedItem>empty().runWith(StreamRefs.sourceRef(), node.system())));
      show(wire, "header of a step", batch.header());
      show(wire, "a slot's batch", batch.slots().get(0));
    }
  }

  private static void show(Serialization wire, String name, OnWire message) {
    byte[] bytes = wire.serialize(message).get();
    Serializer serializer = wire.findSerializerFor(message);
    String manifest = Serializers.manifestFor(serializer, message);
    double writeUs = 0;
    double readUs = 0;
    for (int half = 0; half < 2; half++) { // the first one warms up
      long beganNs = System.nanoTime();
      for (int r = 0; r < REPEATS; r++) {
        bytes = wire.serialize(message).get();
      }
      long betweenNs = System.nanoTime();
      for (int r = 0; r < REPEATS; r++) {
        wire.deserialize(bytes, serializer.identifier(), manifest).get();
      }
      writeUs = (betweenNs - beganNs) / 1e3 / REPEATS;
      readUs = (System.nanoTime() - betweenNs) / 1e3 / REPEATS;
    }
    System.out.printf(
        "%-18s %9d bytes, %8.1f us to write, %8.1f us to read%n",
        name, bytes.length, writeUs, readUs);
  }
}
