package org.dunlin.coordinator.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.apache.pekko.Done;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.dunlin.coordinator.ledger.Checksums;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.data.checkpoint.Checkpoint;
import org.dunlin.data.checkpoint.CheckpointFolders;
import org.dunlin.data.checkpoint.FaultyDisk;
import org.dunlin.data.checkpoint.FaultyDisk.Fault;
import org.dunlin.data.checkpoint.Retention;
import org.dunlin.data.checkpoint.SmallRun;
import org.dunlin.data.checkpoint.StateShares;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator.ShareOffered;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The coordinator's disk fails, its process dies, room runs out or the folder becomes read-only, at
 * every single operation of a checkpoint after 40 steps whose shares two members send at once, and
 * which replaces one after 20. As FaultyDiskTest has it for members that write.
 */
class CheckpointThreadTest {
  private static final long STEPS = 40;
  private static final int SHARES = 2;

  // Less than what a stream's receiver that nobody lets go of waits by itself.
  private static final long LIMIT_SECONDS = 20;

  private static ActorSystem system;

  @TempDir Path temp;

  private final ConcurrentLinkedQueue<Throwable> uncaught = new ConcurrentLinkedQueue<>();

  @BeforeAll
  static void start() {
    system = ActorSystem.create("shares", ConfigFactory.parseString("pekko.loglevel = ERROR"));
  }

  @AfterAll
  static void stop() throws Exception {
    system.terminate();
    system.getWhenTerminated().toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "OBJECTS")
  void shouldAlwaysLeaveAWholeCheckpointWhenSharesAreSent(Fault fault) throws Exception {
    Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
    Thread.setDefaultUncaughtExceptionHandler((thread, e) -> uncaught.add(e));
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER)) {
      Path root = temp.resolve("checkpoints");
      int calm = operations(run, root);
      assertThat(calm).isGreaterThan(100);
      int failed = 0;
      for (int at = 0; at < calm; at++) {
        reset(run, root);
        FaultyDisk disk = new FaultyDisk(fault, at);
        Optional<String> sentence = attempt(run, disk.path(root));
        List<String> done = disk.operations();
        String where =
            "%s at %d, %s: %s".formatted(fault, at, at < done.size() ? done.get(at) : "", sentence);
        sentence.ifPresent(
            told -> assertThat(told).as(where).contains(temp.toString()).doesNotContain("\n"));
        failed += sentence.isPresent() ? 1 : 0;
        long steps = requireNewestWhole(run, root, where);
        if (sentence.isEmpty()) {
          assertThat(steps).as(where).isEqualTo(STEPS);
        }
        if (fault == Fault.FULL) {
          assertThat(partial(root)).as(where).isEmpty();
        }
        if (!CheckpointFolders.of(root, Optional.empty()).first().incomplete().isEmpty()) {
          // What is left of it is in nobody's way.
          assertThat(attempt(run, root)).as(where).isEmpty();
          assertThat(requireNewestWhole(run, root, where)).as(where).isEqualTo(STEPS);
        }
      }
      assertThat(failed).isGreaterThan(calm / 4);
    } finally {
      Thread.setDefaultUncaughtExceptionHandler(before);
    }
    assertThat(uncaught).isEmpty();
  }

  @Test
  void shouldLetGoOfEveryMemberWhenItIsGivenUp() throws Exception {
    try (SmallRun run = SmallRun.in(temp.resolve("model"), Frozen.ENCODER);
        CheckpointThread thread = thread(run, temp.resolve("checkpoints"))) {
      AtomicReference<String> broke = new AtomicReference<>();
      get(thread, broke, thread.begin(STEPS));
      CompletionStage<CheckpointPart> hanging = send(0, Source.never(), thread);
      awaitPart(temp.resolve("checkpoints"));
      thread.abandon(STEPS);
      assertThat(get(thread, broke, hanging)).isEmpty();
      assertThat(broke).hasValue("the checkpoint is given up");
    }
    assertThat(temp.resolve("checkpoints/step-000040")).doesNotExist();
  }

  private static void awaitPart(Path root) throws Exception {
    long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (partial(root).isEmpty()) {
      assertThat(System.nanoTime()).as("no part is begun").isLessThan(untilNs);
      Thread.sleep(1);
    }
  }

  private static void reset(SmallRun run, Path root) throws IOException {
    CheckpointFolders.of(root, Optional.empty()).dropAfter(-1);
    run.write(CheckpointFolders.of(root, Optional.empty()).first(), 20, 1);
  }

  private static int operations(SmallRun run, Path root) throws Exception {
    reset(run, root);
    FaultyDisk disk = new FaultyDisk(Fault.ONCE, Long.MAX_VALUE);
    assertThat(attempt(run, disk.path(root))).isEmpty();
    return disk.operations().size();
  }

  /** What coordinator and members do after 40 steps; gives what went wrong first. */
  private static Optional<String> attempt(SmallRun run, Path root) throws Exception {
    AtomicReference<String> broke = new AtomicReference<>();
    try (CheckpointThread thread = thread(run, root)) {
      Optional<Optional<String>> begun = get(thread, broke, thread.begin(STEPS));
      if (begun.isPresent() && begun.get().isPresent()) {
        List<CompletionStage<CheckpointPart>> sent = new ArrayList<>();
        for (int share = 0; share < SHARES; share++) {
          sent.add(send(share, Source.from(chunks(run, share)), thread));
        }
        List<Optional<CheckpointPart>> parts = new ArrayList<>();
        for (CompletionStage<CheckpointPart> one : sent) {
          parts.add(get(thread, broke, one));
        }
        if (parts.stream().allMatch(Optional::isPresent)) {
          get(thread, broke, complete(thread, parts.stream().map(Optional::get).toList()));
        }
      }
    }
    return Optional.ofNullable(broke.get());
  }

  private static CheckpointThread thread(SmallRun run, Path root) {
    return new CheckpointThread(
        CheckpointFolders.of(root, Optional.empty()),
        false,
        false,
        run.model(),
        run.spec(),
        new Checksums(),
        new Term(1),
        "0.1.0",
        SmallRun.CONF,
        new Retention(1, 0, Set.of()));
  }

  private static List<StateChunk> chunks(SmallRun run, int share) {
    List<StateChunk> chunks = new ArrayList<>();
    for (StateTensor of :
        StateShares.of(
                run.tensors(),
                name -> EncoderTensors.isTrained(run.spec().optimizer().frozen(), name),
                SHARES)
            .get(share)) {
      chunks.add(new StateChunk(of.kind(), of.tensor().name(), 0, run.values(STEPS, of)));
    }
    return chunks;
  }

  // A member must be let go of, whatever becomes of its share.
  private static CompletionStage<CheckpointPart> send(
      int share, Source<StateChunk, NotUsed> values, CheckpointThread thread) {
    Pair<CompletionStage<Done>, SourceRef<StateChunk>> member =
        values
            .watchTermination(Keep.right())
            .toMat(StreamRefs.<StateChunk>sourceRef(), Keep.both())
            .run(system);
    ShareOffered offered =
        new ShareOffered(
            new WorkerId("worker-" + (share + 1), 1),
            new Term(1),
            1,
            share,
            SHARES,
            member.second());
    CompletionStage<CheckpointPart> written =
        thread.write(STEPS, offered, Materializer.matFromSystem(system));
    return member.first().handle((done, error) -> written).thenCompose(part -> part);
  }

  private static CompletionStage<String> complete(
      CheckpointThread thread, List<CheckpointPart> parts) {
    CheckpointPoint point = new CheckpointPoint(STEPS, new Scalars(STEPS - 1, 1, 0), 5, 0);
    return thread.complete(point, 1, 1, List.of(), parts, told -> {});
  }

  /** Waits for it; as the run does, gives the checkpoint up at the first that fails. */
  private static <T> Optional<T> get(
      CheckpointThread thread, AtomicReference<String> broke, CompletionStage<T> stage)
      throws Exception {
    return stage
        .handle(
            (done, error) -> {
              if (error == null) {
                return Optional.of(done);
              }
              Throwable why = error instanceof CompletionException ? error.getCause() : error;
              assertThat(why).isInstanceOf(Refusal.class);
              broke.compareAndSet(null, why.getMessage());
              thread.abandon(STEPS);
              return Optional.<T>empty();
            })
        .toCompletableFuture()
        .get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private static long requireNewestWhole(SmallRun run, Path root, String where) {
    CheckpointFolders folders = CheckpointFolders.of(root, Optional.empty());
    long steps =
        CheckpointThread.newest(folders, run.spec(), new Checksums(), skipped -> {}).steps();
    assertThat(steps).as(where).isIn(20L, STEPS);
    try (Checkpoint checkpoint = folders.open(steps)) {
      assertThat(SmallRun.read(checkpoint, run.tensors()).equals(run.state(steps)))
          .as(where)
          .isTrue();
    }
    return steps;
  }

  private static List<Path> partial(Path root) throws IOException {
    try (Stream<Path> all = Files.walk(root)) {
      return all.filter(file -> file.toString().endsWith(".partial")).toList();
    }
  }
}
