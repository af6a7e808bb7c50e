package org.dunlin.worker.member;

import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.actor.typed.receptionist.ServiceKey;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.Attributes;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.apache.pekko.stream.typed.javadsl.ActorSink;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.LessonItem;
import org.dunlin.protocol.message.Seat;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.message.ToCoordinator;
import org.dunlin.protocol.message.ToWorker;
import org.dunlin.worker.collective.Parting;
import org.dunlin.worker.engine.Abandoned;
import org.dunlin.worker.engine.Failure;
import org.dunlin.worker.engine.MemoryShort;
import org.slf4j.Marker;
import org.slf4j.MarkerFactory;

/**
 * One worker of a run: finds the coordinator through the receptionist, joins, and carries out what
 * {@link MemberProtocol} decides. What takes time runs on the {@link StepThread}.
 *
 * <p>Stops when it is sent away or cannot go on; the owner of the actor system waits for that.
 */
public final class WorkerActor extends AbstractBehavior<WorkerActor.Command> {
  // The person reads a sentence of it at the run's end; the log file has the trace.
  private static final Marker TOLD_OTHERWISE = MarkerFactory.getMarker("file-only");

  /** A coordinator answers at once, but a busy machine's cluster may take long to form. */
  private static final Duration ANSWER_LIMIT = Duration.ofMinutes(2);

  // Of at most 1 MiB each.
  private static final int SENT_AHEAD = 2;

  /** What reaches this actor. */
  public sealed interface Command {}

  /** A person wants this worker to leave, in order. */
  public record Leave() implements Command {}

  private record PulseEnded(Endpoint at) implements Command {}

  private record PulseSilent(Endpoint at, long ms) implements Command {}

  private record NoWordCame(Endpoint at) implements Command {}

  private record NotAnswered() implements Command {}

  private record FromCoordinator(ToWorker message) implements Command {}

  private record Coordinators(Set<ActorRef<ToCoordinator>> found) implements Command {}

  private record Fed(Generation generation, FeedItem item, ActorRef<Taken> sender)
      implements Command {}

  private record FeedOpened(ActorRef<Taken> sender) implements Command {}

  private record FeedEnded() implements Command {}

  private record FeedBroke(Generation generation, Throwable cause) implements Command {}

  private record FeedMissed(Generation generation, long step, Throwable cause) implements Command {}

  private record Happened(MemberEvent event) implements Command {}

  private record Ready() implements Command {}

  private record PartDone(MemberEffect.Snapshot of, Optional<CheckpointPart> part, Throwable cause)
      implements Command {}

  private record Broke(Throwable cause) implements Command {}

  private record Hung(String sentence) implements Command {}

  private record Kept(MemberEffect.Snapshot of, Device.Snapshot state) {}

  private record Wanted(long number, Consumer<Kept> use) {}

  private enum Taken {
    TAKEN
  }

  private final WorkerSetup setup;
  private final StepThread steps;
  private final PartsThread parts;
  private final CompletableFuture<WorkerEnd> ended;
  private final MemberProtocol protocol = new MemberProtocol();
  private final Materializer materializer;
  private final ActorRef<ToWorker> door;
  private MemberState state = MemberState.initial();
  private Optional<ActorRef<ToCoordinator>> coordinator = Optional.empty();
  private Optional<ToWorker.Welcome> welcome = Optional.empty();
  private final NavigableMap<Long, ToWorker.Learn> lessons = new TreeMap<>();
  private final NavigableMap<Long, Map<Integer, ToWorker.Lesson>> offered = new TreeMap<>();
  private final Map<Long, ToWorker.Teach> learners = new HashMap<>();
  private Optional<CompletableFuture<String>> prepared = Optional.empty();
  private Optional<Learning> learning = Optional.empty();
  private Optional<Pulse> pulse = Optional.empty();
  private final NavigableMap<Generation, ToWorker.Assign> assignments = new TreeMap<>();
  private final Set<ActorRef<ToCoordinator>> known = new HashSet<>();
  private Generation newest = new Generation(0);
  private List<WorkerId> roster = List.of();
  private Optional<Kept> kept = Optional.empty();
  private Optional<Wanted> awaited = Optional.empty();
  private String probe = "";
  private boolean leaves;
  private long silenceToldMs;
  private boolean hangs;
  private WorkerEnd end = new WorkerEnd(true, "the worker was stopped");

  /**
   * A worker's actor.
   *
   * @param key where the coordinator registers
   * @param ended completed when the actor has stopped and its device and threads are closed; where
   *     its device hangs they are not, and the process must end
   */
  public static Behavior<Command> create(
      WorkerSetup setup, ServiceKey<ToCoordinator> key, CompletableFuture<WorkerEnd> ended) {
    return Behaviors.setup(context -> new WorkerActor(context, setup, key, ended));
  }

  private WorkerActor(
      ActorContext<Command> context,
      WorkerSetup setup,
      ServiceKey<ToCoordinator> key,
      CompletableFuture<WorkerEnd> ended) {
    super(context);
    this.setup = setup;
    this.ended = ended;
    this.steps = new StepThread(setup);
    this.parts = new PartsThread(setup.worker());
    this.materializer = Materializer.createMaterializer(context);
    this.door = context.messageAdapter(ToWorker.class, FromCoordinator::new);
    ActorRef<Receptionist.Listing> listing =
        context.messageAdapter(
            Receptionist.Listing.class, l -> new Coordinators(l.getServiceInstances(key)));
    context.getSystem().receptionist().tell(Receptionist.subscribe(key, listing));
    ActorRef<Command> self = context.getSelf();
    setup.watch().hung().thenAccept(sentence -> self.tell(new Hung(sentence)));
    context.scheduleOnce(ANSWER_LIMIT, context.getSelf(), new NotAnswered());
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Coordinators.class, command -> found(command.found()))
        .onMessage(FromCoordinator.class, command -> heard(command.message()))
        .onMessage(FeedOpened.class, command -> taken(command.sender()))
        .onMessage(Fed.class, command -> fed(command))
        .onMessage(FeedEnded.class, command -> this)
        .onMessage(FeedBroke.class, command -> feedBroke(command))
        .onMessage(FeedMissed.class, command -> feedMissed(command))
        .onMessage(Happened.class, command -> on(command.event()))
        .onMessage(Broke.class, command -> broke(command.cause()))
        .onMessage(Hung.class, command -> hung(command.sentence()))
        .onMessage(Ready.class, command -> this)
        .onMessage(PartDone.class, command -> partDone(command))
        .onMessage(Leave.class, command -> on(new MemberEvent.LeaveAsked()))
        .onMessage(PulseEnded.class, command -> pulseEnded(command.at()))
        .onMessage(PulseSilent.class, command -> pulseSilent(command))
        .onMessage(NotAnswered.class, command -> notAnswered())
        .onMessage(NoWordCame.class, command -> noWordCame(command.at()))
        .onSignal(PostStop.class, signal -> stopped())
        .build();
  }

  // A dead coordinator may stay listed for a while beside its successor.
  private Behavior<Command> found(Set<ActorRef<ToCoordinator>> found) {
    Optional<ActorRef<ToCoordinator>> next =
        found.stream().filter(ref -> !known.contains(ref)).findFirst();
    known.addAll(found);
    if (next.isEmpty()) {
      return this;
    }
    boolean changed = coordinator.isPresent();
    coordinator = next;
    if (changed) {
      getContext().getLog().info("another coordinator is there: {}", next.get());
      return on(new MemberEvent.CoordinatorChanged());
    }
    tell(join());
    return this;
  }

  private ToCoordinator.Join join() {
    return new ToCoordinator.Join(
        setup.worker(), setup.version(), ProcessHandle.current().pid(), steps.endpoint(), door);
  }

  private Behavior<Command> heard(ToWorker message) {
    return switch (message) {
      case ToWorker.Recognize m -> {
        showPulse(m.pulse(), m.leaseMs());
        yield on(new MemberEvent.Recognized(m.term()));
      }
      case ToWorker.Park m -> {
        showPulse(m.pulse(), m.leaseMs());
        yield on(new MemberEvent.Parked(m.term(), m.reason()));
      }
      case ToWorker.Welcome m -> {
        welcome = Optional.of(m);
        yield on(new MemberEvent.Welcomed(m.term(), m.steps()));
      }
      case ToWorker.Learn m -> {
        lessons.put(m.lesson(), m);
        yield on(new MemberEvent.LearnAsked(m.term(), m.lesson(), m.generation(), m.teachers()));
      }
      case ToWorker.Teach m -> {
        learners.put(m.lesson(), m);
        yield on(new MemberEvent.TeachAsked(m.term(), m.lesson(), m.share(), m.shares()));
      }
      case ToWorker.Lesson m -> lessonOffered(m);
      case ToWorker.Assign m -> assigned(m);
      case ToWorker.Commit m -> on(new MemberEvent.Committed(m.term(), m.generation(), m.step()));
      case ToWorker.Checkpoint m ->
          on(
              new MemberEvent.CheckpointAsked(
                  m.term(), m.number(), m.steps(), m.share(), m.shares()));
      case ToWorker.WriteShare m -> wanted(m.number(), one -> write(m.folder(), one));
      case ToWorker.SendShare m -> wanted(m.number(), this::send);
      case ToWorker.Export m -> on(new MemberEvent.StateAsked(m.term(), m.steps()));
      case ToWorker.Leave m -> on(new MemberEvent.Dismissed(m.term(), m.reason(), m.refused()));
    };
  }

  private Behavior<Command> assigned(ToWorker.Assign assign) {
    Seat own =
        assign.roster().stream()
            .filter(seat -> seat.worker().equals(setup.worker()))
            .findFirst()
            .orElseThrow();
    assignments.put(assign.generation(), assign);
    if (assign.generation().compareTo(newest) > 0) {
      newest = assign.generation();
      roster = assign.roster().stream().map(Seat::worker).toList();
    }
    return on(
        new MemberEvent.Assigned(
            assign.term(),
            assign.generation(),
            assign.firstStep(),
            own.firstSlot(),
            own.slots(),
            assign.recompute()));
  }

  // One item at a time is under way: the rest waits on the coordinator's side, within its window.
  private void subscribe(Generation generation, SourceRef<FeedItem> feed) {
    feed.getSource()
        .runWith(
            ActorSink.actorRefWithBackpressure(
                getContext().getSelf(),
                (sender, item) -> new Fed(generation, item, sender),
                FeedOpened::new,
                Taken.TAKEN,
                new FeedEnded(),
                cause -> new FeedBroke(generation, cause)),
            materializer);
  }

  private Behavior<Command> fed(Fed fed) {
    taken(fed.sender());
    return on(new MemberEvent.Fed(fed.generation(), fed.item()));
  }

  // An older generation's stream may end as it likes, and one of a dead coordinator must.
  private Behavior<Command> feedBroke(FeedBroke broke) {
    getContext()
        .getLog()
        .info("the feed of generation {} broke", broke.generation(), broke.cause());
    getContext()
        .scheduleOnce(
            Duration.ofMillis(setup.absenceMs()),
            getContext().getSelf(),
            new FeedMissed(broke.generation(), state.step(), broke.cause()));
    return this;
  }

  private Behavior<Command> feedMissed(FeedMissed missed) {
    return missed.generation().equals(state.generation()) && missed.step() == state.step()
        ? broke(missed.cause())
        : this;
  }

  private Behavior<Command> taken(ActorRef<Taken> sender) {
    sender.tell(Taken.TAKEN);
    return this;
  }

  private Behavior<Command> broke(Throwable cause) {
    if (state.phase() == MemberState.Phase.ENDED) {
      return this;
    }
    getContext().getLog().error(TOLD_OTHERWISE, "worker {} cannot go on", setup.worker(), cause);
    return on(new MemberEvent.Failed(sentence(cause)));
  }

  private Behavior<Command> hung(String sentence) {
    hangs = true;
    if (state.phase() == MemberState.Phase.ENDED) {
      return this;
    }
    getContext().getLog().error(TOLD_OTHERWISE, "worker {}: {}", setup.worker(), sentence);
    return on(new MemberEvent.Failed(sentence));
  }

  private static String sentence(Throwable cause) {
    for (Throwable t = cause; t != null; t = t.getCause()) {
      if (t instanceof Refusal || t instanceof OutOfMemoryError) {
        return t instanceof Refusal ? String.valueOf(t.getMessage()) : Failure.line(t);
      }
    }
    Throwable root = cause;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return Failure.line(root);
  }

  private Behavior<Command> on(MemberEvent event) {
    MemberProtocol.Decision decision = protocol.next(state, event);
    state = decision.next();
    decision.effects().forEach(this::carryOut);
    return state.phase() == MemberState.Phase.ENDED ? Behaviors.stopped() : this;
  }

  private void carryOut(MemberEffect effect) {
    switch (effect) {
      case MemberEffect.Load e -> load(welcome.orElseThrow());
      case MemberEffect.StandBy e -> setup.told().accept("waiting as a spare: " + e.reason());
      case MemberEffect.TellLoaded e -> {
        probe = e.probe();
        setup.told().accept("the run's state is here");
        tell(new ToCoordinator.Loaded(setup.worker(), e.term(), e.probe()));
      }
      case MemberEffect.TellReturn e -> {
        tell(
            new ToCoordinator.Return(
                join(), e.generation(), roster, e.steps(), e.prepared(), probe));
        tellLeaving();
      }
      case MemberEffect.TellJoin e -> {
        tell(join());
        tellLeaving();
      }
      case MemberEffect.Study e -> study(lessons.get(e.lesson()));
      case MemberEffect.EndStudy e -> {
        learning.ifPresent(Learning::end);
        learning = Optional.empty();
      }
      case MemberEffect.Teach e -> teach(e, learners.remove(e.lesson()));
      case MemberEffect.TellCaughtUp e -> {
        probe = e.probe();
        setup.told().accept("has learnt the run's state after %d steps".formatted(e.steps()));
        tell(
            new ToCoordinator.CaughtUp(setup.worker(), e.term(), e.lesson(), e.steps(), e.probe()));
      }
      case MemberEffect.TellLessonLost e ->
          tell(new ToCoordinator.LessonLost(setup.worker(), e.term(), e.lesson(), e.why()));
      case MemberEffect.BreakOff e -> steps.breakOff(e.next());
      case MemberEffect.Meet e -> meet(e);
      case MemberEffect.Compute e ->
          onStepThread(
              () -> steps.compute(e.header(), e.own(), e.recompute()),
              (StepResult result) -> new MemberEvent.Computed(e.generation(), result),
              cause -> interrupted(cause, e.generation(), e.header().step()));
      case MemberEffect.TellMemoryShort e ->
          tell(
              new ToCoordinator.MemoryShort(
                  setup.worker(), e.term(), e.generation(), e.step(), e.rows(), e.tokens()));
      case MemberEffect.TellParted e ->
          tell(new ToCoordinator.Parted(setup.worker(), e.term(), e.generation()));
      case MemberEffect.TellPrepared e ->
          tell(new ToCoordinator.Prepared(setup.worker(), e.term(), e.generation(), e.result()));
      case MemberEffect.Apply e ->
          onStepThread(
              () -> steps.apply(e.step()),
              (Long step) -> new MemberEvent.Applied(step),
              Broke::new);
      case MemberEffect.Snapshot e -> snapshot(e);
      case MemberEffect.TellPartLost e -> partLost(e.term(), e.number(), e.why());
      case MemberEffect.Offer e -> offer(e);
      case MemberEffect.TellBroken e -> {
        // On the same connection as its end, which else might overtake the sentence.
        pulse.ifPresent(p -> p.close("failed: " + e.sentence()));
        tell(new ToCoordinator.Broken(setup.worker(), e.sentence()));
      }
      case MemberEffect.TellLeaving e -> {
        if (state.phase() == MemberState.Phase.ENDED) {
          pulse.ifPresent(p -> p.close("was asked to leave"));
        }
        leaves = true;
        tellLeaving();
      }
      case MemberEffect.Stop e -> {
        end = e.end();
        getContext().getLog().info("worker {} ends: {}", setup.worker(), end.reason());
      }
      case MemberEffect.Discard e ->
          getContext().getLog().debug("dropped {}: {}", e.event(), e.why());
    }
  }

  private void tellLeaving() {
    if (leaves) {
      tell(new ToCoordinator.Leaving(setup.worker()));
    }
  }

  private void load(ToWorker.Welcome run) {
    showPulse(run.pulse(), run.leaseMs());
    setup.told().accept("takes part in the run " + run.spec().name());
    onStepThread(
        () -> steps.load(run, receiver -> drain(run.state(), receiver)),
        (String made) -> new MemberEvent.StateLoaded(made),
        Broke::new);
  }

  // The device is made once, for the first lesson.
  private void study(ToWorker.Learn learn) {
    showPulse(learn.pulse(), learn.leaseMs());
    if (prepared.isEmpty()) {
      setup.told().accept("learns the state of the run " + learn.spec().name());
      CompletableFuture<String> made = steps.submit(() -> steps.prepare(learn.spec()));
      prepared = Optional.of(made);
      getContext()
          .pipeToSelf(made, (probe, error) -> error == null ? new Ready() : new Broke(error));
    }
    Learning taken = new Learning(learn.lesson(), learn.teachers(), steps);
    learning = Optional.of(taken);
    lessons.headMap(learn.lesson(), true).clear();
    offered.headMap(learn.lesson()).clear();
    Map<Integer, ToWorker.Lesson> there = offered.remove(learn.lesson());
    if (there != null) {
      there.values().forEach(offer -> take(taken, offer));
    }
  }

  private Behavior<Command> lessonOffered(ToWorker.Lesson offer) {
    if (learning.isPresent() && learning.get().lesson() == offer.lesson()) {
      take(learning.get(), offer);
    } else if (offer.lesson() > state.lesson()) {
      offered.computeIfAbsent(offer.lesson(), lesson -> new TreeMap<>()).put(offer.share(), offer);
    }
    return this;
  }

  private void take(Learning taken, ToWorker.Lesson offer) {
    ActorRef<Command> self = getContext().getSelf();
    CompletableFuture<String> probe = prepared.orElseThrow();
    taken.take(
        offer.share(),
        offer.items(),
        materializer,
        progress ->
            self.tell(
                new Happened(
                    new MemberEvent.Followed(
                        offer.lesson(), progress.steps(), progress.whole(), probe.join()))),
        why -> self.tell(new Happened(new MemberEvent.LessonBroke(offer.lesson(), why))));
  }

  // The lesson is read on a thread that may wait for the next step, so its stream must not be this
  // actor's: an actor that stops waits for its streams before it closes what they wait for.
  private void teach(MemberEffect.Teach teach, ToWorker.Teach asked) {
    SourceRef<LessonItem> items =
        Source.<LessonItem, Device.Lesson>unfoldResource(
                () -> steps.teach(teach.share(), teach.shares()),
                Device.Lesson::next,
                Device.Lesson::close)
            .withAttributes(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId()))
            .runWith(StreamRefs.sourceRef(), Materializer.matFromSystem(getContext().getSystem()));
    asked.learner().tell(new ToWorker.Lesson(asked.term(), teach.lesson(), teach.share(), items));
  }

  private void showPulse(Endpoint coordinating, int lease) {
    if (pulse.isPresent() && pulse.get().coordinator().equals(coordinating)) {
      return;
    }
    pulse.ifPresent(Pulse::close);
    ActorRef<Command> self = getContext().getSelf();
    pulse =
        Optional.of(
            Pulse.begin(
                setup.worker(),
                coordinating,
                lease,
                new Pulse.Listener() {
                  @Override
                  public void sentAway(ToWorker.Leave word) {
                    self.tell(new FromCoordinator(word));
                  }

                  @Override
                  public void refused(Refusal why) {
                    self.tell(new Broke(why));
                  }

                  @Override
                  public void silent(long ms) {
                    self.tell(new PulseSilent(coordinating, ms));
                  }

                  @Override
                  public void ended() {
                    self.tell(new PulseEnded(coordinating));
                  }
                }));
  }

  // Its word to leave may still be on the way, or another coordinator be about to come.
  private Behavior<Command> pulseEnded(Endpoint at) {
    getContext()
        .scheduleOnce(
            Duration.ofMillis(setup.absenceMs()), getContext().getSelf(), new NoWordCame(at));
    return this;
  }

  // Cut off, or the coordinator hangs: without it nothing is committed, so to wait is safe.
  private Behavior<Command> pulseSilent(PulseSilent silence) {
    if (pulse.isEmpty() || !pulse.get().coordinator().equals(silence.at())) {
      return this;
    }
    String sentence =
        "nothing has been heard from the coordinator at %s:%d for %d ms"
            .formatted(silence.at().host(), silence.at().port(), silence.ms());
    if (silence.ms() >= setup.absenceMs()) {
      return on(
          new MemberEvent.Failed(
              sentence
                  + ", and no other one came; mend the way to it, or start it anew, and then this worker"));
    }
    if (silence.ms() >= silenceToldMs) {
      setup
          .told()
          .accept(sentence + "; it is waited for until %d s".formatted(setup.absenceMs() / 1000));
      silenceToldMs = 2 * silence.ms();
    }
    return this;
  }

  private Behavior<Command> notAnswered() {
    return state.phase() == MemberState.Phase.JOINING && pulse.isEmpty()
        ? on(
            new MemberEvent.Failed(
                "the coordinator has not answered for %d s (expected: a run that has not ended)"
                    .formatted(ANSWER_LIMIT.toSeconds())))
        : this;
  }

  private Behavior<Command> noWordCame(Endpoint at) {
    return pulse.isPresent() && pulse.get().coordinator().equals(at)
        ? on(
            new MemberEvent.Failed(
                "the coordinator is gone: it ended its connection, and no other one came for %d s; start it anew, and then this worker"
                    .formatted(setup.absenceMs() / 1000)))
        : this;
  }

  /** What a failed step or meeting means: others are gone, memory is short, or this is broken. */
  private static Command interrupted(Throwable failure, Generation generation, long step) {
    for (Throwable t = failure; t != null; t = t.getCause()) {
      switch (t) {
        case MemoryShort tooSmall -> {
          return new Happened(
              new MemberEvent.MemoryShort(generation, step, tooSmall.rows(), tooSmall.tokens()));
        }
        case Parting parting -> {
          return new Happened(new MemberEvent.Parted(generation, parting.getMessage()));
        }
        case Abandoned abandoned -> {
          return new Happened(new MemberEvent.Parted(generation, abandoned.getMessage()));
        }
        default -> {}
      }
    }
    return new Broke(failure);
  }

  // Runs on the step thread, which may wait; the stream runs on the system's dispatcher.
  private void drain(SourceRef<StateChunk> state, StateChunks.Receiver receiver) {
    state
        .getSource()
        .runWith(Sink.foreach(receiver::accept), materializer)
        .toCompletableFuture()
        .join();
  }

  private void meet(MemberEffect.Meet meet) {
    ToWorker.Assign assign = assignments.remove(meet.generation());
    assignments.headMap(meet.generation()).clear();
    subscribe(meet.generation(), assign.feed());
    Term term = state.term().orElseThrow();
    onStepThread(
        () -> steps.meet(term, meet.generation(), assign.roster()),
        (Boolean met) -> new MemberEvent.Met(meet.generation()),
        cause -> interrupted(cause, meet.generation(), assign.firstStep()));
  }

  // The state stays as it is now for the one who writes, whatever is applied meanwhile.
  private void snapshot(MemberEffect.Snapshot snapshot) {
    letGo();
    kept = Optional.of(new Kept(snapshot, steps.snapshot(snapshot.share(), snapshot.shares())));
    awaited
        .filter(asked -> asked.number() == snapshot.number())
        .ifPresent(asked -> wanted(asked.number(), asked.use()));
  }

  private void letGo() {
    kept.ifPresent(one -> one.state().close());
    kept = Optional.empty();
  }

  // The word to write may come while the update before the snapshot is still being applied.
  private Behavior<Command> wanted(long number, Consumer<Kept> use) {
    Optional<Kept> one = kept.filter(k -> k.of().number() == number);
    awaited = one.isEmpty() ? Optional.of(new Wanted(number, use)) : Optional.empty();
    if (one.isPresent()) {
      kept = Optional.empty();
      use.accept(one.get());
    }
    return this;
  }

  private void write(String folder, Kept one) {
    if (folder.isEmpty()) {
      one.state().close();
      return;
    }
    MemberEffect.Snapshot of = one.of();
    getContext()
        .pipeToSelf(
            parts.write(FolderName.path(folder), of.share(), of.shares(), one.state()),
            (part, error) -> new PartDone(of, Optional.ofNullable(part), error));
  }

  // Read on a thread that may wait for an update, and no further ahead than the coordinator asks.
  private void send(Kept one) {
    MemberEffect.Snapshot of = one.of();
    ActorRef<Command> self = getContext().getSelf();
    SourceRef<StateChunk> values =
        Source.<StateChunk, StateChunks.Share>unfoldResource(
                () -> new StateChunks.Share(one.state()),
                share -> share.next(why -> self.tell(new PartDone(of, Optional.empty(), why))),
                StateChunks.Share::close)
            .withAttributes(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId()))
            .toMat(StreamRefs.sourceRef(), Keep.right())
            .withAttributes(Attributes.inputBuffer(SENT_AHEAD, SENT_AHEAD))
            .run(materializer);
    tell(
        new ToCoordinator.ShareOffered(
            setup.worker(), of.term(), of.number(), of.share(), of.shares(), values));
  }

  private Behavior<Command> partDone(PartDone done) {
    Term of = done.of().term();
    long number = done.of().number();
    done.part()
        .ifPresentOrElse(
            part -> tell(new ToCoordinator.PartWritten(setup.worker(), of, number, part)),
            () -> {
              getContext().getLog().warn(TOLD_OTHERWISE, "no share of a checkpoint", done.cause());
              partLost(of, number, sentence(done.cause()));
            });
    return this;
  }

  private void partLost(Term of, long number, String why) {
    tell(new ToCoordinator.PartLost(setup.worker(), of, number, why));
  }

  private void offer(MemberEffect.Offer offer) {
    Iterator<StateChunk> chunks = steps.state();
    SourceRef<StateChunk> source =
        Source.fromIterator(() -> chunks).runWith(StreamRefs.sourceRef(), materializer);
    tell(new ToCoordinator.Offered(setup.worker(), offer.term(), offer.steps(), source));
  }

  private <T> void onStepThread(
      Callable<T> work, Function<T, MemberEvent> then, Function<Throwable, Command> otherwise) {
    CompletableFuture<T> done = steps.submit(work);
    getContext()
        .pipeToSelf(
            done,
            (result, error) ->
                error == null ? new Happened(then.apply(result)) : otherwise.apply(error));
  }

  private void tell(ToCoordinator message) {
    coordinator.ifPresent(ref -> ref.tell(message));
  }

  private Behavior<Command> stopped() {
    WorkerEnd last = end;
    pulse.ifPresent(Pulse::close);
    if (hangs) {
      ended.complete(last); // closing would wait for what hangs, and the process ends anyway
      return this;
    }
    learning.ifPresent(Learning::end);
    letGo();
    parts.close();
    steps.close();
    steps.closed().thenRun(() -> ended.complete(last));
    return this;
  }
}
