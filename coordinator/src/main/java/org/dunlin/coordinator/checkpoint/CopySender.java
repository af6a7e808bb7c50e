package org.dunlin.coordinator.checkpoint;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.DispatcherSelector;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.actor.typed.receptionist.ServiceKey;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.dunlin.coordinator.ledger.LedgerFile;
import org.dunlin.coordinator.record.RecordFile;
import org.dunlin.coordinator.record.RunId;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.data.checkpoint.RunFiles;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CopyEnded;
import org.dunlin.protocol.message.CopyOffered;
import org.dunlin.protocol.message.RunBytes;

/**
 * Has a worker on another machine keep a second copy of a run whose checkpoints lie on the
 * coordinator's disk alone: the newest complete one, one at a time, always the same worker's while
 * it lives and its disk takes them. What fails is told, and tried again with the next checkpoint;
 * training waits for nothing.
 */
public final class CopySender extends AbstractBehavior<CopySender.Command> {
  /** Under which workers keep copies. */
  public static final ServiceKey<CopyOffered> KEY =
      ServiceKey.create(CopyOffered.class, "dunlin-copies");

  // Of at most 1 MiB each.
  private static final int SENT_AHEAD = 2;

  /** A disk or network that takes not a piece for so long is taken to hang. */
  private static final Duration PIECE_LIMIT = Duration.ofMinutes(2);

  /** Within which a keeper has read again what it has written. */
  private static final Duration ANSWER_LIMIT = Duration.ofMinutes(30);

  /** What reaches this actor. */
  public sealed interface Command {}

  /** A checkpoint is complete. */
  public record Complete(long steps) implements Command {}

  private record Keepers(Set<ActorRef<CopyOffered>> found) implements Command {}

  private record Opened(Copy copy, RunFiles files, List<Long> complete) implements Command {}

  private record Answered(CopyEnded answer) implements Command {}

  private record Broke(Copy copy, String why) implements Command {}

  private record Sent(Copy copy) implements Command {}

  /** A copy that is being made; two are never the same. */
  private static final class Copy {
    private final long number;
    private final long steps;
    private final ActorRef<CopyOffered> keeper;
    private final SharedKillSwitch until = KillSwitches.shared("copy");

    Copy(long number, long steps, ActorRef<CopyOffered> keeper) {
      this.number = number;
      this.steps = steps;
      this.keeper = keeper;
    }
  }

  private final String run;
  private final Term term;
  private final Path runFolder;
  private final CheckpointStore checkpoints;
  private final String host;
  private final Consumer<String> told;
  private final Materializer materializer;
  private final Executor files;
  private final ActorRef<CopyEnded> door;
  private final Set<ActorRef<CopyOffered>> shunned = new HashSet<>(); // until the next checkpoint
  private List<ActorRef<CopyOffered>> keepers = List.of();
  private Optional<ActorRef<CopyOffered>> kept = Optional.empty(); // by whom the last one was
  private OptionalLong wanted = OptionalLong.empty();
  private Optional<Copy> underWay = Optional.empty();
  private long offers;
  private String lastTold = "";

  /**
   * The actor of a run.
   *
   * @param run the name of the copy's folder
   * @param host of the coordinator: workers on it have the same disk
   * @param told hears in sentences where a copy is, and why there is none; must not block
   */
  public static Behavior<Command> create(
      String run,
      Term term,
      Path runFolder,
      CheckpointStore checkpoints,
      String host,
      Consumer<String> told) {
    return Behaviors.setup(
        context -> new CopySender(context, run, term, runFolder, checkpoints, host, told));
  }

  private CopySender(
      ActorContext<Command> context,
      String run,
      Term term,
      Path runFolder,
      CheckpointStore checkpoints,
      String host,
      Consumer<String> told) {
    super(context);
    this.run = run;
    this.term = term;
    this.runFolder = runFolder;
    this.checkpoints = checkpoints;
    this.host = host;
    this.told = told;
    this.materializer = Materializer.createMaterializer(context);
    this.files = context.getSystem().dispatchers().lookup(DispatcherSelector.blocking());
    this.door = context.messageAdapter(CopyEnded.class, Answered::new);
    context
        .getSystem()
        .receptionist()
        .tell(
            Receptionist.subscribe(
                KEY,
                context.messageAdapter(
                    Receptionist.Listing.class, l -> new Keepers(l.getServiceInstances(KEY)))));
  }

  /** The files of a run folder that a run needs to go on, besides settings and a checkpoint. */
  static boolean isRecord(String name) {
    return name.equals(TermFile.NAME)
        || name.equals(RunId.NAME)
        || RecordFile.NAMES.matcher(name).matches()
        || LedgerFile.NAME.matcher(name).matches();
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Complete.class, command -> complete(command.steps()))
        .onMessage(Keepers.class, command -> found(command.found()))
        .onMessage(Opened.class, this::opened)
        .onMessage(Sent.class, this::sent)
        .onMessage(Answered.class, command -> answered(command.answer()))
        .onMessage(Broke.class, command -> broke(command.copy(), command.why()))
        .build();
  }

  private Behavior<Command> complete(long steps) {
    wanted = OptionalLong.of(steps);
    shunned.clear();
    return next();
  }

  // A worker's end is seen here, too; its stream may take longer to break.
  private Behavior<Command> found(Set<ActorRef<CopyOffered>> found) {
    keepers =
        found.stream()
            .filter(keeper -> !host.equals(hostOf(keeper)))
            .sorted(Comparator.comparing(keeper -> keeper.path().toString()))
            .toList();
    return underWay
        .filter(copy -> !found.contains(copy.keeper))
        .map(copy -> broke(copy, "it is gone"))
        .orElseGet(this::next);
  }

  private static String hostOf(ActorRef<?> actor) {
    Address address = actor.path().address();
    return address.getHost().orElse("");
  }

  private Behavior<Command> next() {
    Optional<ActorRef<CopyOffered>> keeper =
        kept.filter(this::isWilling).or(() -> keepers.stream().filter(this::isWilling).findFirst());
    if (underWay.isPresent() || wanted.isEmpty() || keeper.isEmpty()) {
      return this;
    }
    Copy copy = new Copy(++offers, wanted.getAsLong(), keeper.get());
    wanted = OptionalLong.empty();
    underWay = Optional.of(copy);
    getContext()
        .pipeToSelf(
            CompletableFuture.supplyAsync(
                () ->
                    new Opened(
                        copy,
                        RunFiles.open(runFolder, CopySender::isRecord, checkpoints, copy.steps),
                        checkpoints.complete()),
                files),
            (opened, error) -> error == null ? opened : new Broke(copy, sentence(error)));
    return this;
  }

  private boolean isWilling(ActorRef<CopyOffered> keeper) {
    return keepers.contains(keeper) && !shunned.contains(keeper);
  }

  private Behavior<Command> opened(Opened opened) {
    Copy copy = opened.copy();
    RunFiles read = opened.files();
    if (!underWay.equals(Optional.of(copy))) {
      read.close();
      return this;
    }
    long bytes = read.bytes();
    ActorRef<Command> self = getContext().getSelf();
    SourceRef<RunBytes> pieces =
        Source.<RunBytes, RunFiles>unfoldResource(() -> read, RunFiles::next, RunFiles::close)
            .via(copy.until.flow())
            .backpressureTimeout(PIECE_LIMIT)
            .watchTermination(
                (none, ended) -> {
                  ended.whenComplete(
                      (done, error) ->
                          self.tell(
                              error == null ? new Sent(copy) : new Broke(copy, sentence(error))));
                  return none;
                })
            .withAttributes(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId()))
            .toMat(StreamRefs.sourceRef(), Keep.right())
            .withAttributes(Attributes.inputBuffer(SENT_AHEAD, SENT_AHEAD))
            .run(materializer);
    copy.keeper.tell(
        new CopyOffered(
            term,
            copy.number,
            run,
            copy.steps,
            read.manifestSha256(),
            bytes,
            read.records(),
            opened.complete(),
            pieces,
            door));
    return this;
  }

  private Behavior<Command> sent(Sent sent) {
    getContext()
        .scheduleOnce(
            ANSWER_LIMIT,
            getContext().getSelf(),
            new Broke(
                sent.copy(), "it has not answered for %d min".formatted(ANSWER_LIMIT.toMinutes())));
    return this;
  }

  private Behavior<Command> answered(CopyEnded answer) {
    Optional<Copy> ended = underWay.filter(copy -> copy.number == answer.number());
    if (ended.isEmpty()) {
      return this;
    }
    Copy copy = ended.get();
    if (!answer.whole()) {
      return broke(copy, answer.sentence());
    }
    underWay = Optional.empty();
    kept = Optional.of(copy.keeper);
    tell(
        "a worker on %s keeps a copy of the run's checkpoints, in %s there"
            .formatted(hostOf(copy.keeper), answer.sentence()));
    return next();
  }

  // The next worker may have a better disk; who failed is asked again for the next checkpoint.
  private Behavior<Command> broke(Copy copy, String why) {
    if (!underWay.equals(Optional.of(copy))) {
      return this;
    }
    underWay = Optional.empty();
    copy.until.abort(Refusal.run("the copy is given up"));
    shunned.add(copy.keeper);
    if (wanted.isEmpty()) {
      wanted = OptionalLong.of(copy.steps);
    }
    tell(
        "the checkpoint after %d steps has no copy on %s: %s; the run goes on"
            .formatted(copy.steps, hostOf(copy.keeper), why));
    return next();
  }

  // Each checkpoint may fail for the same reason, and each is kept in the same place.
  private void tell(String sentence) {
    String what = sentence.replaceAll("[0-9]+ steps", "steps");
    if (!what.equals(lastTold)) {
      lastTold = what;
      told.accept(sentence);
    }
  }

  private static String sentence(Throwable error) {
    return Refusal.in(error)
        .map(Refusal::getMessage)
        .orElseGet(() -> "its files did not go to their end: " + error);
  }
}
