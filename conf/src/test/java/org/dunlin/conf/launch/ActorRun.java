package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.protocol.WorkerId;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.member.Device;
import org.dunlin.worker.member.WorkerActor;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.member.WorkerSetup;
import org.dunlin.worker.step.StepCompute;
import org.dunlin.worker.trace.Trace;

/**
 * A coordinator and workers that are actors of this process, with real devices and a real data
 * plane. Close it: that ends all of them.
 */
final class ActorRun implements AutoCloseable {
  static final long LIMIT_SECONDS = 120;

  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));

  private final Settings settings;
  private final int workers;
  private final Inputs inputs;
  private final TermFile.Held held;
  private final EventRelay relay;
  private final ClusterNode node;
  private final ActorRef<CoordinatorActor.Command> coordinator;
  private final List<ActorRef<?>> actors = new ArrayList<>();
  private final List<String> told = new CopyOnWriteArrayList<>();
  private final List<RunEvent.Saved> saved = new CopyOnWriteArrayList<>();
  private final CompletableFuture<Boolean> begun = new CompletableFuture<>();
  private final CompletableFuture<Boolean> over = new CompletableFuture<>();

  /** A worker and what becomes of it. */
  record Worker(ActorRef<WorkerActor.Command> actor, CompletableFuture<WorkerEnd> end) {}

  private ActorRun(Settings settings, Admission admission) throws IOException {
    Files.createDirectories(settings.runFolder());
    this.settings = settings;
    this.workers = admission.workers();
    this.inputs = Inputs.open(settings);
    this.held = TermFile.take(settings.runFolder());
    this.relay = new EventRelay(this::hear);
    this.node = ClusterNode.start(List.of("coordinator", "worker"), LocalRun.HOST);
    node.joinItself();
    this.coordinator =
        node.spawn(
            CoordinatorActor.create(
                inputs.run(
                    held.term(), false, admission, LocalRun.HOST, settings.runFolder(), relay)),
            "coordinator");
    actors.add(coordinator);
  }

  static ActorRun start(Settings settings, Admission admission) throws IOException {
    return new ActorRun(settings, admission);
  }

  /** What trains the golden fixtures' model, if {@code more} says no other thing. */
  static Settings settings(Path runFolder, Map<String, ?> more) {
    Map<String, Object> keys = new HashMap<>();
    keys.put("run.output", runFolder);
    keys.put("model.path", FIXTURES.resolve("model"));
    keys.put("data.files", List.of(FIXTURES.resolve("train.jsonl")));
    keys.put("model.hidden-dropout", 0.1);
    keys.put("batch.size", 16);
    keys.put("slots", 8);
    keys.put("micro-batch.tokens", 512);
    keys.put("compute-threads", 1);
    keys.put("workers", 0);
    keys.putAll(more);
    return Settings.load(Optional.empty(), keys);
  }

  /** Has a worker come whose device is made of a real one. */
  Worker add(String name, Function<StepCompute, Device> device) {
    WorkerSetup setup =
        new WorkerSetup(
            new WorkerId(name, 1),
            Version.CURRENT,
            LocalRun.HOST,
            spec ->
                device.apply(
                    StepCompute.among(
                        workers, spec, settings.computeThreads(), Trace.NONE, HangWatch.NONE)),
            spec -> "",
            settings.leaseMs(),
            HangWatch.NONE,
            sentence -> {});
    CompletableFuture<WorkerEnd> end = new CompletableFuture<>();
    ActorRef<WorkerActor.Command> actor =
        node.spawn(WorkerActor.create(setup, CoordinatorActor.KEY, end), name);
    actors.add(actor);
    return new Worker(actor, end);
  }

  /** Waits for the first step: whoever comes from now on has to learn. */
  void awaitStep() throws Exception {
    begun.get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  void stop() {
    coordinator.tell(new CoordinatorActor.Stop());
  }

  /** Waits until the run has finished, been stopped or failed, and all actors with it. */
  void awaitEnd() throws Exception {
    List<CompletableFuture<?>> ends = new ArrayList<>();
    actors.forEach(actor -> ends.add(node.stopped(actor).toCompletableFuture()));
    over.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    CompletableFuture.allOf(ends.toArray(CompletableFuture<?>[]::new))
        .get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  /** What a person was told, in order. */
  List<String> told() {
    return told;
  }

  /** The SHA-256 of the one model that was saved. */
  String model() {
    assertThat(saved).as("models saved by a run that said " + told).hasSize(1);
    return saved.get(0).sha256();
  }

  private void hear(RunEvent event) {
    switch (event) {
      case RunEvent.StepCommitted step -> begun.complete(true);
      case RunEvent.Missed missed ->
          told.add(
              "missed %s: %s; %d left".formatted(missed.worker(), missed.why(), missed.members()));
      case RunEvent.Noted noted -> told.add(noted.sentence());
      case RunEvent.Saved model -> saved.add(model);
      case RunEvent.Finished finished -> over.complete(true);
      case RunEvent.Failed failed -> {
        told.add("failed: " + failed.sentence());
        over.complete(false);
      }
      default -> {}
    }
  }

  @Override
  public void close() {
    try (inputs;
        held;
        relay;
        node) {
      actors.clear();
    }
  }
}
