package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.apache.pekko.actor.typed.ActorRef;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.actor.CoordinatorActor;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.AuditPlan;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.member.Device;
import org.dunlin.worker.member.WorkerActor;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.member.WorkerSetup;
import org.dunlin.worker.step.StepCompute;
import org.dunlin.worker.trace.Trace;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * One machine of several computes its slots wrongly, so that all members hold the same wrong sum:
 * real devices and a real data plane, all in this process.
 */
class LyingMachineTest {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));
  private static final long LIMIT_SECONDS = 120;
  private static final long STEPS = 6;
  private static final long AUDIT_EVERY = 3;

  @TempDir private static Path folder;

  private static String calm;

  @BeforeAll
  static void trainCalmly() {
    calm = calm();
  }

  @Test
  void shouldNameTheMachineAndGoOnWithoutIt() throws Exception {
    Settings settings = settings("three");
    Ended ended = run(settings, 3, Long.MAX_VALUE);
    assertThat(ended.told)
        .anySatisfy(
            sentence ->
                assertThat(sentence)
                    .matches(
                        "missed worker-3#1: computed slot \\d of step %d otherwise than worker-\\d#1 and worker-\\d#1, from the embeddings on: its machine computes wrongly; 2 left"
                            .formatted(firstAudit(settings))));
    assertThat(ended.model()).isEqualTo(calm);
  }

  @Test
  void shouldCountTheStepWhenABitHadFlippedOnce() throws Exception {
    Settings settings = settings("two");
    Ended ended = run(settings, 2, 1);
    assertThat(ended.told)
        .contains(
            "step %d was computed 2 times more, each slot by 2 workers, and they agree: a bit had flipped in one of their memories"
                .formatted(firstAudit(settings)));
    assertThat(ended.model()).isEqualTo(calm);
  }

  private static Settings settings(String name) {
    Map<String, Object> keys = new HashMap<>();
    keys.put("run.output", folder.resolve(name));
    keys.put("model.path", FIXTURES.resolve("model"));
    keys.put("data.files", List.of(FIXTURES.resolve("train.jsonl")));
    keys.put("model.hidden-dropout", 0.1);
    keys.put("batch.size", 16);
    keys.put("slots", 8);
    keys.put("micro-batch.tokens", 512);
    keys.put("compute-threads", 1);
    keys.put("train.steps", STEPS);
    keys.put("workers", 0);
    keys.put("step.audit-every", AUDIT_EVERY);
    return Settings.load(Optional.empty(), keys);
  }

  private static long firstAudit(Settings settings) {
    AuditPlan plan = new AuditPlan(AUDIT_EVERY, settings.seed());
    return LongStream.range(0, STEPS).filter(plan::audits).findFirst().orElseThrow();
  }

  /** The SHA-256 of the weights that one worker trains. */
  private static String calm() {
    try (Job job = Job.open(settings("calm"));
        Watcher watcher = job.watching()) {
      Outcome outcome = job.runHere(1, watcher, StopRequest.byHand());
      assertThat(outcome).isInstanceOf(Outcome.Finished.class);
      return ((Outcome.Finished) outcome).model().sha256();
    }
  }

  /** What a person was told, in order. */
  private record Ended(List<String> told, List<RunEvent.Saved> saved) {
    String model() {
      assertThat(saved).as("models saved by a run that said " + told).hasSize(1);
      return saved.get(0).sha256();
    }
  }

  /**
   * @param lies computations that the last worker gets wrong, from the first audit on
   */
  private static Ended run(Settings settings, int workers, long lies) throws Exception {
    List<String> told = new ArrayList<>();
    List<RunEvent.Saved> saved = new ArrayList<>();
    CompletableFuture<Boolean> over = new CompletableFuture<>();
    Files.createDirectories(settings.runFolder());
    try (Inputs inputs = Inputs.open(settings);
        TermFile.Held held = TermFile.take(settings.runFolder());
        EventRelay relay = new EventRelay(event -> hear(event, told, saved, over));
        ClusterNode node = ClusterNode.start(List.of("coordinator", "worker"), LocalRun.HOST)) {
      node.joinItself();
      List<ActorRef<?>> actors = new ArrayList<>();
      actors.add(
          node.spawn(
              CoordinatorActor.create(
                  inputs.run(
                      held.term(),
                      false,
                      Admission.closed(workers),
                      LocalRun.HOST,
                      settings.runFolder(),
                      relay)),
              "coordinator"));
      for (int w = 1; w <= workers; w++) {
        long wrong = w == workers ? lies : 0;
        WorkerSetup setup =
            new WorkerSetup(
                new WorkerId("worker-" + w, 1),
                Version.CURRENT,
                LocalRun.HOST,
                spec ->
                    new Lying(
                        StepCompute.among(
                            workers, spec, settings.computeThreads(), Trace.NONE, HangWatch.NONE),
                        firstAudit(settings),
                        wrong),
                spec -> "",
                settings.leaseMs(),
                HangWatch.NONE,
                sentence -> {});
        CompletableFuture<WorkerEnd> end = new CompletableFuture<>();
        actors.add(node.spawn(WorkerActor.create(setup, CoordinatorActor.KEY, end), "worker-" + w));
      }
      List<CompletableFuture<?>> ends = new ArrayList<>();
      actors.forEach(actor -> ends.add(node.stopped(actor).toCompletableFuture()));
      over.get(LIMIT_SECONDS, TimeUnit.SECONDS);
      CompletableFuture.allOf(ends.toArray(CompletableFuture<?>[]::new))
          .get(LIMIT_SECONDS, TimeUnit.SECONDS);
    }
    return new Ended(told, saved);
  }

  private static void hear(
      RunEvent event,
      List<String> told,
      List<RunEvent.Saved> saved,
      CompletableFuture<Boolean> over) {
    switch (event) {
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

  /**
   * A device that computes with one wrong parameter, and never knows it: it is right again when the
   * state is looked at or updated.
   */
  private static final class Lying implements Device {
    private static final String PARAMETER = "encoder.layer.0.output.dense.weight";
    private static final int WRONG_BIT = 1 << 21;

    private final StepCompute exact;
    private final long from;
    private long lies;

    Lying(StepCompute exact, long from, long lies) {
      this.exact = exact;
      this.from = from;
      this.lies = lies;
    }

    @Override
    public StepResult compute(
        StepHeader header,
        List<SlotBatch> own,
        Exchange exchange,
        int[] slotBounds,
        Recompute recompute) {
      if (header.step() < from || lies == 0) {
        return exact.compute(header, own, exchange, slotBounds, recompute);
      }
      lies--;
      flip(header.step());
      try {
        return exact.compute(header, own, exchange, slotBounds, recompute);
      } finally {
        flip(header.step());
      }
    }

    // In a part of the state that is compared in other steps.
    private void flip(long step) {
      long elements = exact.parameters().get(PARAMETER);
      long element = elements * ((step + 8) % 16) / 16 + 5;
      FloatBuffer value = FloatBuffer.allocate(1);
      exact.read(PARAMETER, element, value);
      value.put(0, Float.intBitsToFloat(Float.floatToRawIntBits(value.get(0)) ^ WRONG_BIT));
      exact.write(Kind.PARAMETER, PARAMETER, element, value.flip());
    }

    @Override
    public Map<String, Long> parameters() {
      return exact.parameters();
    }

    @Override
    public long moments() {
      return exact.moments();
    }

    @Override
    public void restore(long steps, Scalars scalars) {
      exact.restore(steps, scalars);
    }

    @Override
    public void write(Kind kind, String tensor, long firstElement, FloatBuffer values) {
      exact.write(kind, tensor, firstElement, values);
    }

    @Override
    public void read(String parameter, long firstElement, FloatBuffer into) {
      exact.read(parameter, firstElement, into);
    }

    @Override
    public Lesson teach(int share, int shares) {
      return exact.teach(share, shares);
    }

    @Override
    public Study study(int shares) {
      return exact.study(shares);
    }

    @Override
    public Snapshot snapshot(int share, int shares) {
      return exact.snapshot(share, shares);
    }

    @Override
    public Scalars scalars() {
      return exact.scalars();
    }

    @Override
    public void apply(long step) {
      exact.apply(step);
    }

    @Override
    public void close() {
      exact.close();
    }
  }
}
