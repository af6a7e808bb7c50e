package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.Done;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.dunlin.conf.report.Watcher;
import org.dunlin.coordinator.checkpoint.CopySender;
import org.dunlin.data.checkpoint.Checkpoint;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CopyEnded;
import org.dunlin.protocol.message.CopyOffered;
import org.dunlin.protocol.message.RunBytes;
import org.dunlin.worker.copy.CopyKeeper;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who keeps a run's second copy, and of what, when workers come, go and refuse. */
class CopyTest {
  private static final String RUN = "run-0123456789ab";
  private static final long LIMIT_SECONDS = 60;

  @TempDir private static Path shared;
  @TempDir private Path copies;

  private static Path run;
  private static long newest;
  private static long middle;
  private static long oldest;
  private ClusterNode node;
  private final BlockingQueue<String> told = new LinkedBlockingQueue<>();

  // Which steps have one depends on the disk's speed.
  @BeforeAll
  static void train() {
    run = shared.resolve("run");
    Map<String, ?> keys =
        Map.of("train.steps", 20, "checkpoint.every-steps", 1, "checkpoint.keep-last", 99);
    try (Job job = Job.open(ActorRun.settings(run, keys));
        Watcher watcher = job.watching()) {
      assertThat(job.runHere(1, watcher, StopRequest.byHand()))
          .isInstanceOf(Outcome.Finished.class);
    }
    List<Long> all = CheckpointStore.in(run.resolve(CheckpointStore.FOLDER)).complete();
    assertThat(all).hasSizeGreaterThan(2);
    newest = all.get(0);
    middle = all.get(1);
    oldest = all.get(2);
  }

  @BeforeEach
  void start() {
    node = ClusterNode.start(List.of("coordinator"), LocalRun.HOST);
    node.joinItself();
  }

  @AfterEach
  void close() {
    node.close();
  }

  @Test
  void shouldCopyTheNewestToTheNextWorkerWhenOneGoesInTheMiddle() throws Exception {
    BlockingQueue<CopyOffered> offers = new LinkedBlockingQueue<>();
    ActorRef<Boolean> slow = node.spawn(slow(offers), "a-slow");
    ActorRef<CopySender.Command> sender = sender(1);
    sender.tell(new CopySender.Complete(oldest));
    assertThat(next(offers).steps()).isEqualTo(oldest);
    keeper("b", Optional.of(copies));
    sender.tell(new CopySender.Complete(middle));
    sender.tell(new CopySender.Complete(newest));
    assertThat(told).isEmpty();
    slow.tell(true);
    assertThat(next(told))
        .isEqualTo(
            "the checkpoint after "
                + oldest
                + " steps has no copy on : it is gone; the run goes on");
    assertThat(next(told)).startsWith("a worker on  keeps a copy of the run's checkpoints, in ");
    assertThat(kept().complete()).containsExactly(newest);
    requireWhole(newest);
    sender.tell(new CopySender.Complete(middle)); // of another past, after a death of all
    await(middle);
    requireWhole(middle);
    assertThat(offers).isEmpty();
    assertThat(told).isEmpty();
  }

  @Test
  void shouldAskAgainWithEachCheckpointAndSayOnceWhyThereIsNoCopy() throws Exception {
    keeper("a", Optional.empty());
    ActorRef<CopySender.Command> sender = sender(1);
    sender.tell(new CopySender.Complete(oldest));
    assertThat(next(told))
        .isEqualTo(
            "the checkpoint after "
                + oldest
                + " steps has no copy on : it keeps no copies, as its --copies says; the run goes on");
    sender.tell(new CopySender.Complete(middle));
    Path file = Files.writeString(copies.resolve("file"), "");
    keeper("b", Optional.of(file));
    assertThat(next(told)).contains(file + "/" + RUN + ": cannot be made: ");
    keeper("c", Optional.of(copies));
    assertThat(next(told)).endsWith("in " + copies.resolve(RUN) + " there");
    assertThat(kept().complete()).containsExactly(middle);
    sender.tell(new CopySender.Complete(newest));
    await(newest);
    assertThat(told).isEmpty();
  }

  @Test
  void shouldTakeNothingFromACoordinatorThatAnotherOneHasFollowed() throws Exception {
    ActorRef<CopyOffered> keeper = keeper("a", Optional.of(copies));
    ActorRef<CopySender.Command> sender = sender(2);
    sender.tell(new CopySender.Complete(oldest));
    next(told);
    BlockingQueue<CopyEnded> answers = new LinkedBlockingQueue<>();
    CompletableFuture<Done> ended = new CompletableFuture<>();
    SourceRef<RunBytes> files =
        Source.<RunBytes>never()
            .watchTermination(
                (none, end) -> {
                  end.thenAccept(ended::complete);
                  return none;
                })
            .toMat(StreamRefs.sourceRef(), Keep.right())
            .run(node.system());
    ActorRef<CopyEnded> answer = node.spawn(into(answers), "answers");
    keeper.tell(
        new CopyOffered(
            new Term(1), 7, RUN, middle, "", 1, List.of(), List.of(middle), files, answer));
    CopyEnded refused = next(answers);
    assertThat(refused.number()).isEqualTo(7);
    assertThat(refused.whole()).isFalse();
    assertThat(refused.sentence()).isEqualTo("a coordinator of term 2 has come since");
    ended.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    assertThat(kept().complete()).containsExactly(oldest);
  }

  private ActorRef<CopySender.Command> sender(long term) {
    return node.spawn(
        CopySender.create(
            RUN,
            new Term(term),
            run,
            CheckpointStore.in(run.resolve(CheckpointStore.FOLDER)),
            LocalRun.HOST, // actors of one node have none: they are elsewhere
            told::add),
        "sender");
  }

  private ActorRef<CopyOffered> keeper(String name, Optional<Path> root) throws Exception {
    CompletableFuture<ActorRef<CopyOffered>> found = new CompletableFuture<>();
    node.spawn(CopyKeeper.create(root, CopySender.KEY, sentence -> {}), name);
    node.spawn(
        Behaviors.<Receptionist.Listing>setup(
            context -> {
              context
                  .getSystem()
                  .receptionist()
                  .tell(Receptionist.subscribe(CopySender.KEY, context.getSelf()));
              return Behaviors.receiveMessage(
                  listing -> {
                    listing.getServiceInstances(CopySender.KEY).stream()
                        .filter(one -> one.path().toString().contains("/" + name + "/"))
                        .forEach(found::complete);
                    return Behaviors.same();
                  });
            }),
        "finds-" + name);
    return found.get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  /** Takes an offer and none of its pieces, until it is told to stop. */
  private static Behavior<Boolean> slow(BlockingQueue<CopyOffered> offers) {
    return Behaviors.setup(
        context -> {
          context
              .getSystem()
              .receptionist()
              .tell(Receptionist.register(CopySender.KEY, context.spawn(into(offers), "offers")));
          return Behaviors.receiveMessage(stop -> Behaviors.stopped());
        });
  }

  private static <T> Behavior<T> into(BlockingQueue<T> queue) {
    return Behaviors.receiveMessage(
        message -> {
          queue.add(message);
          return Behaviors.same();
        });
  }

  private static <T> T next(BlockingQueue<T> queue) throws InterruptedException {
    T found = queue.poll(LIMIT_SECONDS, TimeUnit.SECONDS);
    assertThat(found).isNotNull();
    return found;
  }

  private void await(long steps) throws InterruptedException {
    long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
    while (!kept().complete().contains(steps)) {
      assertThat(System.nanoTime()).isLessThan(untilNs);
      Thread.sleep(10);
    }
  }

  private void requireWhole(long steps) {
    try (Checkpoint checkpoint = kept().at(steps)) {
      checkpoint.verify(name -> {});
    }
  }

  private CheckpointStore kept() {
    return CheckpointStore.in(copies.resolve(RUN).resolve(CheckpointStore.FOLDER));
  }
}
