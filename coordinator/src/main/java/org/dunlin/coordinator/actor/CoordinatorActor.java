package org.dunlin.coordinator.actor;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.apache.pekko.actor.Address;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.PostStop;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.actor.typed.receptionist.ServiceKey;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Down;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.dunlin.coordinator.liveness.Pulses;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.Effect;
import org.dunlin.coordinator.step.EvaluationDue;
import org.dunlin.coordinator.step.EvaluationRecord;
import org.dunlin.coordinator.step.Event;
import org.dunlin.coordinator.step.Share;
import org.dunlin.coordinator.step.State;
import org.dunlin.coordinator.step.StepProtocol;
import org.dunlin.data.feed.StepBatch;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Seat;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator;
import org.dunlin.protocol.message.ToWorker;
import org.dunlin.protocol.run.ComputeSpec.Reduction;
import org.dunlin.protocol.run.Scalars;
import org.slf4j.Marker;
import org.slf4j.MarkerFactory;

/**
 * The coordinator of a run. Workers find it through the receptionist under {@link #KEY}.
 *
 * <p>It feeds {@link StepProtocol} and carries out what that decides, front to back; the watcher is
 * told last, after the members. One at a time in a cluster.
 */
public final class CoordinatorActor extends AbstractBehavior<CoordinatorActor.Command> {
  // The person reads a sentence of it at the run's end; the log file has the trace.
  private static final Marker TOLD_OTHERWISE = MarkerFactory.getMarker("file-only");

  /** Sample ids in a sentence for a person; the log has all. */
  private static final int MOST_SAMPLES = 64;

  /**
   * Members of an earlier term find this one within a second; a busy machine takes longer. Who
   * comes later costs only time.
   */
  private static final Duration RETURN_LIMIT = Duration.ofSeconds(20);

  /** Leases within which whoever comes shows its pulse; it is told where to at once. */
  private static final int LEASES_TO_PULSE = 12;

  /** Where workers look for the coordinator. */
  public static final ServiceKey<ToCoordinator> KEY =
      ServiceKey.create(ToCoordinator.class, "dunlin-coordinator");

  /** What reaches this actor. */
  public sealed interface Command {}

  /** A person wants the run to end after the step under way, and its model saved. */
  public record Stop() implements Command {}

  /**
   * A person wants a worker to leave, in order.
   *
   * @param name of the worker
   * @param answer completed with a sentence, or with a Refusal
   */
  public record Drain(String name, CompletableFuture<String> answer) implements Command {}

  /**
   * A person or a clock wants a checkpoint at the next commit.
   *
   * @param answer completed with a sentence
   */
  public record Checkpoint(CompletableFuture<String> answer) implements Command {}

  private record FromWorker(ToCoordinator message) implements Command {}

  private record Gone(Event.Lost lost) implements Command {}

  private record PulseDue(WorkerId worker) implements Command {}

  private record Happened(Event event) implements Command {}

  private record Read(int turn, Optional<StepBatch> batch) implements Command {}

  private record ReadBroke(int turn, Throwable cause) implements Command {}

  private record Begun(Effect.Snapshot of, Optional<String> folder) implements Command {}

  private record NotBegun(Effect.Snapshot of, Throwable cause) implements Command {}

  private record ShareBroke(ToCoordinator.ShareOffered share, Throwable cause) implements Command {}

  private record Completed(long steps, String folder) implements Command {}

  private record SaveDone(RunEvent.Saved saved) implements Command {}

  private record SaveBroke(WorkerId source, Throwable cause) implements Command {}

  private record Written(CutRecord cut) implements Command {}

  private record Due() implements Command {}

  private record Said(String sentence) implements Command {}

  private record DueWritten(Effect.Ledger of) implements Command {}

  private record Found(Effect.Measure of, Run.Evaluation evaluation) implements Command {}

  private record NotFound(Effect.Measure of, Throwable cause) implements Command {}

  private record OnRecord(Event.Measured event, Optional<Run.Evaluation> evaluation)
      implements Command {}

  private record Failed(Throwable cause) implements Command {}

  private final Run run;
  private final StepProtocol protocol;
  private final Materializer materializer;
  private final Feeder feeder;
  private final Pulses pulses;
  private final Map<WorkerId, ToCoordinator.Join> workers = new TreeMap<>();
  private final Map<WorkerId, SourceRef<StateChunk>> offers = new HashMap<>();
  private final List<CutRecord> cuts;
  private State state = State.initial();
  private CheckpointPoint origin;
  private int nextEpoch;
  private boolean started;
  private boolean warned;
  private long lastCommitNs;
  private long[] lastSamples = {};
  private Intended intended = new Intended(-1, new Generation(0));

  private record Intended(long step, Generation generation) {}

  /** The actor of a run; it registers itself, and stops when the run is over. */
  public static Behavior<Command> create(Run run) {
    return Behaviors.setup(context -> new CoordinatorActor(context, run));
  }

  private CoordinatorActor(ActorContext<Command> context, Run run) {
    super(context);
    this.run = run;
    int slots = run.spec().batch().slots();
    this.protocol =
        new StepProtocol(
            run.term(),
            run.spec().steps(),
            slots,
            run.admission(),
            run.maxNonFiniteSteps(),
            run.spec().compute().reduction() == Reduction.ORDERED, // or bits would hang on time
            run.past(),
            run.plan(),
            run.evaluationPlan(),
            run.auditPlan());
    // Not the actor's own: a stream to a worker must end in order, after this actor has stopped.
    this.materializer = Materializer.matFromSystem(context.getSystem());
    ActorRef<Command> self = context.getSelf();
    this.pulses =
        Pulses.listen(
            run.host(),
            run.leaseMs(),
            (worker, why, ownWord) -> self.tell(new Gone(new Event.Lost(worker, why, ownWord))));
    // The last one that is committed may have to be computed once more.
    long firstStep =
        run.resumes().map(CheckpointPoint::steps).orElse(Math.max(0, run.past().steps() - 1));
    this.feeder =
        new Feeder(run.batches(), firstStep, run.spec().batch(), run.windowTokens(), materializer);
    run.cuts().forEach(feeder::cut);
    this.cuts = new ArrayList<>(run.cuts());
    this.origin = new CheckpointPoint(0, Scalars.first(run.spec().compute().precision()), 0, 0);
    lastCommitNs = System.nanoTime();
    if (run.resumes().isPresent()) {
      origin = run.resumes().get();
      state = State.resuming(run.term(), run.past(), origin);
      run.ledger().rewind(origin.steps(), state.history());
    } else if (run.term().number() > 1) {
      state = State.after(run.term(), run.past());
      context.scheduleOnce(RETURN_LIMIT, self, new Happened(new Event.RosterWaited()));
    }
    scheduleCheckpoint();
    ActorRef<ToCoordinator> door = context.messageAdapter(ToCoordinator.class, FromWorker::new);
    context.getSystem().receptionist().tell(Receptionist.register(KEY, door));
    readAhead();
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(FromWorker.class, command -> heard(command.message()))
        .onMessage(Gone.class, command -> lost(command.lost()))
        .onMessage(PulseDue.class, command -> pulseDue(command.worker()))
        .onMessage(Happened.class, command -> on(command.event()))
        .onMessage(Read.class, command -> read(command))
        .onMessage(ReadBroke.class, command -> readBroke(command))
        .onMessage(Begun.class, command -> begun(command))
        .onMessage(NotBegun.class, command -> notBegun(command))
        .onMessage(ShareBroke.class, command -> shareBroke(command))
        .onMessage(Completed.class, command -> completed(command))
        .onMessage(Checkpoint.class, command -> checkpoint(command))
        .onMessage(DueWritten.class, command -> dueWritten(command.of()))
        .onMessage(Found.class, command -> found(command))
        .onMessage(NotFound.class, command -> notFound(command))
        .onMessage(OnRecord.class, command -> onRecord(command))
        .onMessage(SaveDone.class, command -> saved(command.saved()))
        .onMessage(SaveBroke.class, command -> saveBroke(command))
        .onMessage(Written.class, command -> written(command.cut()))
        .onMessage(Due.class, command -> due())
        .onMessage(Said.class, command -> said(command.sentence()))
        .onMessage(Failed.class, command -> failed(command.cause()))
        .onMessage(Drain.class, command -> drain(command))
        .onMessage(Stop.class, command -> on(new Event.StopAsked()))
        .onSignal(PostStop.class, signal -> stopped())
        .build();
  }

  private Behavior<Command> heard(ToCoordinator message) {
    return switch (message) {
      case ToCoordinator.Join join -> admitted(join) ? on(new Event.Joined(join.worker())) : this;
      case ToCoordinator.Return m ->
          admitted(m.join())
              ? on(
                  new Event.Returned(
                      m.worker(), m.generation(), m.roster(), m.steps(), m.prepared(), m.probe()))
              : this;
      case ToCoordinator.Loaded m -> on(new Event.Loaded(m.worker(), m.term(), m.probe()));
      case ToCoordinator.CaughtUp m ->
          on(new Event.CaughtUp(m.worker(), m.term(), m.lesson(), m.steps(), m.probe()));
      case ToCoordinator.LessonLost m ->
          on(new Event.LessonLost(m.worker(), m.term(), m.lesson(), m.why()));
      case ToCoordinator.Leaving m -> on(new Event.LeaveAsked(m.worker()));
      case ToCoordinator.Prepared m ->
          on(new Event.Prepared(m.worker(), m.term(), m.generation(), m.result()));
      case ToCoordinator.MemoryShort m ->
          on(
              new Event.MemoryShort(
                  m.worker(), m.term(), m.generation(), m.step(), m.rows(), m.tokens()));
      case ToCoordinator.Parted m -> on(new Event.Parted(m.worker(), m.term(), m.generation()));
      case ToCoordinator.Offered m -> {
        offers.put(m.worker(), m.state());
        yield on(new Event.Offered(m.worker(), m.term(), m.steps()));
      }
      case ToCoordinator.PartWritten m ->
          on(new Event.PartWritten(m.worker(), m.term(), m.number(), m.part()));
      case ToCoordinator.ShareOffered m -> shareOffered(m);
      case ToCoordinator.PartLost m ->
          on(new Event.PartLost(m.worker(), m.term(), m.number(), m.why()));
      case ToCoordinator.Broken m ->
          lost(new Event.Lost(m.worker(), "failed: " + m.sentence(), true));
    };
  }

  private boolean admitted(ToCoordinator.Join join) {
    if (!join.version().equals(run.version())) {
      return refused(
          join,
          "worker %s runs Dunlin %s (expected: %s, the coordinator's)"
              .formatted(join.worker(), join.version(), run.version()));
    }
    ToCoordinator.Join known = workers.putIfAbsent(join.worker(), join);
    if (known != null && !known.actor().equals(join.actor())) {
      return refused(
          join,
          "worker %s: that name is taken by process %d on %s (expected: a name of its own); start it with another --name"
              .formatted(join.worker(), known.pid(), known.data().host()));
    }
    if (known == null) {
      warnOfOneCopy(join.data().host());
      getContext().watchWith(join.actor(), new Gone(new Event.Lost(join.worker(), "is gone")));
      getContext().scheduleOnce(pulseLimit(), getContext().getSelf(), new PulseDue(join.worker()));
    }
    return true;
  }

  private Duration pulseLimit() {
    return Duration.ofMillis((long) LEASES_TO_PULSE * run.leaseMs());
  }

  // One that hangs before it has a pulse would be waited for without end.
  private Behavior<Command> pulseDue(WorkerId worker) {
    return workers.containsKey(worker) && !pulses.isShown(worker)
        ? lost(
            new Event.Lost(
                worker,
                "has shown no pulse within %d ms since it came".formatted(pulseLimit().toMillis())))
        : this;
  }

  private void warnOfOneCopy(String host) {
    Run.Checkpoints kept = run.checkpoints();
    if (!warned && !kept.membersWrite() && !kept.hasCopies() && !host.equals(run.host())) {
      warned = true;
      note(
          "checkpoints lie on this machine's disk alone, though %s is another one; leave checkpoint.copy-to-workers on, or set checkpoint.copy to a folder on another disk, so that the loss of this one is not the run's"
              .formatted(host));
    }
  }

  private Behavior<Command> drain(Drain drain) {
    Optional<WorkerId> found =
        workers.keySet().stream().filter(worker -> worker.name().equals(drain.name())).findFirst();
    if (found.isEmpty()) {
      String all = workers.keySet().stream().map(WorkerId::name).collect(Collectors.joining(", "));
      drain
          .answer()
          .completeExceptionally(
              Refusal.usage(
                  "worker '%s' is not in the run (expected: one of %s)"
                      .formatted(drain.name(), all)));
      return this;
    }
    drain.answer().complete("worker " + found.get() + " leaves after the step under way");
    return on(new Event.LeaveAsked(found.get()));
  }

  private boolean refused(ToCoordinator.Join join, String reason) {
    join.actor().tell(new ToWorker.Leave(run.term(), reason, true));
    note(reason);
    return false;
  }

  private void note(String sentence) {
    getContext().getLog().info(sentence);
    run.watcher().accept(new RunEvent.Noted(sentence));
  }

  private Behavior<Command> lost(Event.Lost lost) {
    WorkerId worker = lost.worker();
    Optional<ToCoordinator.Join> known = Optional.ofNullable(workers.get(worker));
    Behavior<Command> next = on(lost);
    workers.remove(worker);
    known.ifPresent(
        join -> {
          getContext().unwatch(join.actor()); // its name may come again
          remove(join.actor().path().address());
          tellProcesses();
        });
    return next;
  }

  // A node that is gone and still a member keeps others from joining until that is noticed.
  private void remove(Address node) {
    if (node.hasGlobalScope()) {
      Cluster.get(getContext().getSystem()).manager().tell(Down.apply(node));
    }
  }

  private Behavior<Command> read(Read read) {
    if (read.turn() == feeder.turn()) {
      feeder.arrived(read.batch());
      intend();
      readAhead();
    }
    return this;
  }

  private Behavior<Command> readBroke(ReadBroke broke) {
    return broke.turn() == feeder.turn() ? failed(broke.cause()) : this;
  }

  private void readAhead() {
    int turn = feeder.turn();
    feeder
        .read()
        .ifPresent(
            stage ->
                getContext()
                    .pipeToSelf(
                        stage,
                        (batch, error) ->
                            error == null ? new Read(turn, batch) : new ReadBroke(turn, error)));
  }

  private Behavior<Command> saved(RunEvent.Saved saved) {
    run.watcher().accept(saved);
    return on(new Event.Saved(saved.steps()));
  }

  // A full disk fails the run; a member that died while it sent is no reason to.
  private Behavior<Command> saveBroke(SaveBroke broke) {
    return Refusal.in(broke.cause()).isPresent()
        ? failed(broke.cause())
        : on(new Event.SaveFailed(broke.source(), sentence(broke.cause())));
  }

  private Behavior<Command> written(CutRecord cut) {
    feeder.cut(cut);
    cuts.add(cut);
    run.watcher()
        .accept(
            new RunEvent.Recorded(
                cut.fromStep(), cut.limit().minTokens(), cut.limit().mostTokens()));
    return on(new Event.Recorded(cut));
  }

  private Behavior<Command> said(String sentence) {
    note(sentence);
    return this;
  }

  private Behavior<Command> failed(Throwable cause) {
    getContext().getLog().error(TOLD_OTHERWISE, "the coordinator's own part failed", cause);
    return on(new Event.Broken(sentence(cause)));
  }

  private static String sentence(Throwable cause) {
    return Refusal.in(cause).map(Refusal::getMessage).orElseGet(cause::toString);
  }

  private Behavior<Command> on(Event event) {
    StepProtocol.Decision decision = protocol.next(state, event);
    if (state.phase() != decision.next().phase()) {
      getContext()
          .getLog()
          .info("{} -> {} at step {}", state.phase(), decision.next().phase(), state.step());
    }
    state = decision.next();
    decision.effects().forEach(this::carryOut);
    intend();
    return state.phase() == State.Phase.ENDED ? Behaviors.stopped() : this;
  }

  // The ledger hears of the open step as soon as its batch is there, and of every new generation.
  private void intend() {
    Intended now = new Intended(state.step(), state.generation());
    if (state.phase() == State.Phase.STEPPING && !now.equals(intended)) {
      feeder
          .find(now.step())
          .ifPresent(
              batch -> {
                intended = now;
                run.ledger()
                    .intend(
                        now.step(),
                        batch.header().epoch(),
                        now.generation(),
                        batch.header().sampleIds());
              });
    }
  }

  private void carryOut(Effect effect) {
    switch (effect) {
      case Effect.Park e -> {
        tell(
            e.worker(),
            new ToWorker.Park(run.term(), pulses.endpoint(), run.leaseMs(), e.reason()));
        tellProcesses();
      }
      case Effect.Recognize e -> {
        tell(e.worker(), new ToWorker.Recognize(run.term(), pulses.endpoint(), run.leaseMs()));
        tellProcesses();
      }
      case Effect.AwaitRoster e ->
          getContext()
              .scheduleOnce(
                  Duration.ofMillis(run.leaseMs()), // whoever lives has come back by then,
                  getContext().getSelf(),
                  new Happened(new Event.RosterWaited()));
      case Effect.Welcome e -> welcome(e);
      case Effect.Teach e -> teach(e);
      case Effect.Ledger e -> ledger(e);
      case Effect.Assign e -> assign(e);
      case Effect.Commit e -> commit(e);
      case Effect.AskState e -> tell(e.worker(), new ToWorker.Export(run.term(), e.steps()));
      case Effect.Snapshot e -> snapshot(e);
      case Effect.WriteManifest e -> writeManifest(e);
      case Effect.Abandon e -> run.checkpoints().abandon(e.steps());
      case Effect.KeepCheckpoints e -> run.checkpoints().hold(e.steps());
      case Effect.Measure e ->
          getContext()
              .pipeToSelf(
                  run.evaluator().measure(e.steps()),
                  (found, error) -> error == null ? new Found(e, found) : new NotFound(e, error));
      case Effect.LeaveUnmeasured e -> leaveUnmeasured(e.number(), e.steps(), e.why());
      case Effect.FindCheckpoint e -> findCheckpoint();
      case Effect.Rewind e -> rewind(e);
      case Effect.Renounce e -> {
        run.ledger().renounce(e.fromStep(), e.generation());
        run.checkpoints().dropAfter(e.fromStep());
      }
      case Effect.Save e ->
          getContext()
              .pipeToSelf(
                  run.modelSink()
                      .save(
                          e.steps(),
                          e.isDone(),
                          offers.remove(e.worker()).getSource(),
                          materializer),
                  (done, error) ->
                      error == null ? new SaveDone(done) : new SaveBroke(e.worker(), error));
      case Effect.Wait e ->
          getContext()
              .scheduleOnce(
                  Duration.ofMillis(run.leaseMs()),
                  getContext().getSelf(),
                  new Happened(new Event.Waited(e.generation())));
      case Effect.Write e ->
          getContext()
              .pipeToSelf(
                  run.records().append(e.cut()),
                  (done, error) -> error == null ? new Written(e.cut()) : new Failed(error));
      case Effect.Miss e -> {
        feeder.close(e.worker());
        run.watcher().accept(new RunEvent.Missed(e.worker().toString(), e.why(), e.members()));
      }
      case Effect.Dismiss e -> sendAway(e.worker(), e.reason(), false);
      case Effect.Refuse e -> sendAway(e.worker(), e.reason(), true);
      case Effect.Note e -> note(e.sentence());
      case Effect.Finish e -> run.watcher().accept(new RunEvent.Finished(e.steps(), e.early()));
      case Effect.Fail e ->
          run.watcher()
              .accept(
                  new RunEvent.Failed(
                      e.namesSamples()
                          ? e.sentence() + "; the batch's samples: " + text(lastSamples)
                          : e.sentence()));
      case Effect.Discard e -> getContext().getLog().debug("dropped {}: {}", e.event(), e.why());
    }
  }

  private void welcome(Effect.Welcome welcome) {
    SourceRef<StateChunk> initial =
        run.checkpoints().state(origin.steps()).runWith(StreamRefs.sourceRef(), materializer);
    tell(
        welcome.worker(),
        new ToWorker.Welcome(
            run.term(),
            run.spec(),
            origin.steps(),
            origin.scalars(),
            initial,
            pulses.endpoint(),
            run.leaseMs()));
    tellProcesses();
  }

  private void teach(Effect.Teach teach) {
    tell(
        teach.learner(),
        new ToWorker.Learn(
            run.term(),
            teach.lesson(),
            teach.generation(),
            teach.teachers().size(),
            run.spec(),
            pulses.endpoint(),
            run.leaseMs()));
    ToCoordinator.Join learner = workers.get(teach.learner());
    for (int share = 0; share < teach.teachers().size() && learner != null; share++) {
      tell(
          teach.teachers().get(share),
          new ToWorker.Teach(
              run.term(), learner.actor(), teach.lesson(), share, teach.teachers().size()));
    }
    tellProcesses();
  }

  private void snapshot(Effect.Snapshot snapshot) {
    List<WorkerId> writers = snapshot.writers();
    for (int share = 0; share < writers.size(); share++) {
      tell(
          writers.get(share),
          new ToWorker.Checkpoint(
              run.term(), snapshot.number(), snapshot.steps(), share, writers.size()));
    }
    getContext()
        .pipeToSelf(
            run.checkpoints().begin(snapshot.steps()),
            (folder, error) ->
                error == null ? new Begun(snapshot, folder) : new NotBegun(snapshot, error));
  }

  private Behavior<Command> begun(Begun begun) {
    if (begun.folder().isEmpty() || run.checkpoints().membersWrite()) {
      writeShares(begun.of(), begun.folder().orElse(""));
    } else {
      for (WorkerId writer : begun.of().writers()) {
        tell(writer, new ToWorker.SendShare(run.term(), begun.of().number()));
      }
    }
    return begun.folder().isPresent() ? this : on(new Event.CheckpointWritten(begun.of().steps()));
  }

  private Behavior<Command> notBegun(NotBegun broke) {
    writeShares(broke.of(), "");
    return on(new Event.CheckpointFailed(broke.of().steps(), sentence(broke.cause())));
  }

  private void writeShares(Effect.Snapshot of, String folder) {
    for (WorkerId writer : of.writers()) {
      tell(writer, new ToWorker.WriteShare(run.term(), of.number(), folder));
    }
  }

  private Behavior<Command> shareOffered(ToCoordinator.ShareOffered share) {
    Optional<Long> steps = waited(share);
    if (steps.isEmpty()) {
      share.values().getSource().runWith(Sink.cancelled(), materializer);
      return this;
    }
    getContext()
        .pipeToSelf(
            run.checkpoints().write(steps.get(), share, materializer),
            (part, error) ->
                error == null
                    ? new Happened(
                        new Event.PartWritten(share.worker(), share.term(), share.number(), part))
                    : new ShareBroke(share, error));
    return this;
  }

  private Optional<Long> waited(ToCoordinator.ShareOffered share) {
    return state
        .checkpoints()
        .pending()
        .filter(one -> share.term().equals(run.term()) && one.number() == share.number())
        .filter(one -> one.waited().contains(share.worker()))
        .map(one -> one.point().steps());
  }

  // A disk's word counts at once. A stream's end may be a member's, which is told soon if it is.
  private Behavior<Command> shareBroke(ShareBroke broke) {
    Optional<Long> steps = waited(broke.share());
    if (steps.isPresent() && Refusal.in(broke.cause()).isPresent()) {
      return on(new Event.CheckpointFailed(steps.get(), sentence(broke.cause())));
    }
    ToCoordinator.ShareOffered share = broke.share();
    getContext()
        .scheduleOnce(
            Duration.ofMillis(run.leaseMs()),
            getContext().getSelf(),
            new Happened(
                new Event.PartLost(
                    share.worker(),
                    share.term(),
                    share.number(),
                    "its share did not come to its end: " + sentence(broke.cause()))));
    return this;
  }

  private void writeManifest(Effect.WriteManifest manifest) {
    long steps = manifest.point().steps();
    ActorRef<Command> self = getContext().getSelf();
    getContext()
        .pipeToSelf(
            run.checkpoints()
                .complete(
                    manifest.point(),
                    nextEpoch,
                    state.history(),
                    List.copyOf(cuts),
                    manifest.parts(),
                    sentence -> self.tell(new Said(sentence))),
            (folder, error) ->
                error == null
                    ? new Completed(steps, folder)
                    : new Happened(new Event.CheckpointFailed(steps, sentence(error))));
  }

  private Behavior<Command> completed(Completed done) {
    run.watcher().accept(new RunEvent.Checkpointed(done.steps(), done.folder()));
    return on(new Event.CheckpointWritten(done.steps()));
  }

  // What is no longer wanted, because the run's steps have become others, must not get on record.
  private Behavior<Command> found(Found found) {
    if (state.evaluations().isUnderWay(found.of().number())) {
      record(
          new Event.Measured(found.of().number(), found.of().steps(), found.evaluation().score()),
          Optional.of(found.evaluation()));
    }
    return this;
  }

  private Behavior<Command> notFound(NotFound broke) {
    if (state.evaluations().isUnderWay(broke.of().number())) {
      leaveUnmeasured(broke.of().number(), broke.of().steps(), sentence(broke.cause()));
    }
    return this;
  }

  private void leaveUnmeasured(long number, long steps, String why) {
    note(
        "the model after %d steps is not measured, and counts for nothing: %s"
            .formatted(steps, why));
    record(new Event.Measured(number, steps, Double.NaN), Optional.empty());
  }

  private void record(Event.Measured measured, Optional<Run.Evaluation> evaluation) {
    EvaluationRecord line =
        new EvaluationRecord(measured.steps(), run.evaluator().set(), measured.figure());
    getContext()
        .pipeToSelf(
            run.records().append(line),
            (done, error) ->
                error == null ? new OnRecord(measured, evaluation) : new Failed(error));
  }

  private Behavior<Command> onRecord(OnRecord done) {
    OptionalLong before = state.evaluations().best();
    double greatest =
        before.isPresent()
            ? state.evaluations().figures().get(before.getAsLong())
            : Double.NEGATIVE_INFINITY;
    done.evaluation()
        .ifPresent(
            found ->
                run.watcher()
                    .accept(
                        new RunEvent.Evaluated(
                            done.event().steps(),
                            found.metric(),
                            found.figures().get(found.metric()),
                            found.score() > greatest,
                            found.figures(),
                            found.seconds())));
    return on(done.event());
  }

  private void scheduleCheckpoint() {
    if (run.checkpointEvery().isPositive()) {
      getContext().scheduleOnce(run.checkpointEvery(), getContext().getSelf(), new Due());
    }
  }

  private Behavior<Command> due() {
    scheduleCheckpoint();
    return on(new Event.CheckpointDue());
  }

  private Behavior<Command> checkpoint(Checkpoint asked) {
    asked.answer().complete("a checkpoint is made after the step under way");
    return on(new Event.CheckpointDue());
  }

  private void findCheckpoint() {
    ActorRef<Command> self = getContext().getSelf();
    getContext()
        .pipeToSelf(
            run.checkpoints().newest(sentence -> self.tell(new Said(sentence))),
            (point, error) ->
                error == null ? new Happened(new Event.CheckpointFound(point)) : new Failed(error));
  }

  private void rewind(Effect.Rewind rewind) {
    origin = rewind.point();
    run.ledger().rewind(origin.steps(), rewind.history());
    intended = new Intended(-1, new Generation(0));
    feeder.restart(origin.steps());
    readAhead();
  }

  // What the disk does not take must not count; what follows a step's count must be told before.
  private void ledger(Effect.Ledger ledger) {
    if (ledger.due().isEmpty()) {
      count(ledger);
      return;
    }
    getContext()
        .pipeToSelf(
            run.records().append(new EvaluationDue(ledger.due().get())),
            (done, error) -> error == null ? new DueWritten(ledger) : new Failed(error));
  }

  // Nobody may hold the step any more.
  private Behavior<Command> dueWritten(Effect.Ledger ledger) {
    if (state.committing()
        && state.step() == ledger.step()
        && state.generation().equals(ledger.generation())) {
      count(ledger);
    }
    return this;
  }

  private void count(Effect.Ledger ledger) {
    boolean endsEpoch = endsEpoch(ledger.step());
    getContext()
        .pipeToSelf(
            run.ledger().commit(ledger.step(), ledger.generation(), ledger.checksum()),
            (done, error) ->
                error == null
                    ? new Happened(new Event.Ledgered(ledger.step(), endsEpoch))
                    : new Failed(error));
  }

  // The next step's batch is there long before, but for a run whose data is read too slowly.
  private boolean endsEpoch(long step) {
    Optional<Integer> own = feeder.find(step).map(batch -> batch.header().epoch());
    Optional<Integer> next = feeder.find(step + 1).map(batch -> batch.header().epoch());
    nextEpoch = next.or(() -> own).orElse(nextEpoch);
    return own.isPresent() && next.isPresent() && !own.equals(next);
  }

  private void tellProcesses() {
    List<RunEvent.Member> members = new ArrayList<>();
    members.add(
        new RunEvent.Member(
            "coordinator",
            "coordinator",
            run.term().number(),
            ProcessHandle.current().pid(),
            node(getContext().getSystem().address())));
    for (ToCoordinator.Join join : workers.values()) {
      WorkerId id = join.worker();
      members.add(
          new RunEvent.Member(
              "worker",
              id.name(),
              id.incarnation(),
              join.pid(),
              node(join.actor().path().address())));
    }
    run.watcher().accept(new RunEvent.Processes(List.copyOf(members)));
  }

  // Where it is alone, there is no way to it.
  private static String node(Address address) {
    return address.hasGlobalScope() ? address.toString() : "";
  }

  private void assign(Effect.Assign assign) {
    List<Seat> roster = new ArrayList<>();
    for (Share share : assign.shares()) {
      roster.add(
          new Seat(
              share.worker(),
              workers.get(share.worker()).data(),
              share.firstSlot(),
              share.slots()));
    }
    feeder.retain(assign.shares().stream().map(Share::worker).collect(Collectors.toSet()));
    for (Share share : assign.shares()) {
      tell(
          share.worker(),
          new ToWorker.Assign(
              run.term(),
              assign.generation(),
              assign.firstStep(),
              List.copyOf(roster),
              assign.recompute(),
              feeder.open(share, assign.firstStep())));
    }
    if (!started && (run.term().number() == 1 || run.resumes().isPresent())) {
      started = true;
      run.watcher().accept(new RunEvent.Started(run.spec().steps(), assign.shares().size()));
      lastCommitNs = System.nanoTime();
    }
  }

  private void commit(Effect.Commit commit) {
    for (WorkerId member : commit.members()) {
      tell(member, new ToWorker.Commit(run.term(), commit.generation(), commit.step()));
    }
    StepBatch batch = feeder.committed(commit.step());
    lastSamples = batch.header().sampleIds();
    if (commit.notFinite() > 0) {
      getContext()
          .getLog()
          .warn(
              TOLD_OTHERWISE,
              "step {}: loss {}, gradient norm {}, {} in a row; samples {}",
              commit.step(),
              commit.loss(),
              commit.gradientNorm(),
              commit.notFinite(),
              lastSamples);
    }
    long update = commit.scalars().updates() - (commit.applied() ? 1 : 0);
    long nowNs = System.nanoTime();
    run.watcher()
        .accept(
            new RunEvent.StepCommitted(
                commit.step(),
                batch.header().epoch(),
                commit.loss(),
                commit.gradientNorm(),
                run.spec().optimizer().rateAt(update, run.spec().steps()),
                commit.applied(),
                commit.scalars().lossScale(),
                commit.notFinite(),
                batch.header().queries(),
                batch.header().tokens(),
                batch.header().paddedTokens(),
                (nowNs - lastCommitNs) / 1e9));
    lastCommitNs = nowNs;
    readAhead();
  }

  private static String text(long[] samples) {
    String first =
        Arrays.stream(samples)
            .limit(MOST_SAMPLES)
            .mapToObj(Long::toString)
            .collect(Collectors.joining(", "));
    int more = samples.length - MOST_SAMPLES;
    return more > 0 ? first + " and " + more + " more, which the log names" : first;
  }

  private void sendAway(WorkerId worker, String reason, boolean refused) {
    ToWorker.Leave word = new ToWorker.Leave(run.term(), reason, refused);
    tell(worker, word);
    pulses.sendAway(worker, word); // a cluster that changes may have lost its node
    ToCoordinator.Join left = workers.remove(worker);
    if (left != null) {
      getContext().unwatch(left.actor());
    }
  }

  private void tell(WorkerId worker, ToWorker message) {
    ToCoordinator.Join join = workers.get(worker);
    if (join != null) {
      join.actor().tell(message);
    }
  }

  private Behavior<Command> stopped() {
    feeder.close();
    pulses.close();
    return this;
  }
}
