package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.StepResult;

/**
 * Where a run is. Immutable; only {@link StepProtocol} makes a next one.
 *
 * @param phase what is being waited for
 * @param generation 0 until all workers are there
 * @param step the lowest uncommitted one; equals the number of committed steps
 * @param joined workers that are there
 * @param loaded those of them that hold the state
 * @param spares workers that wait to be needed, in the order in which they came
 * @param lessons of those that joined a run under way, until they have been prepared for a step
 * @param lessonsBegun ever
 * @param returned members of an earlier term that have come back
 * @param leaving workers that go once their slots have other owners
 * @param probe of the run's kernels: the first loaded worker's
 * @param shares of the generation's members
 * @param prepared results of the lowest uncommitted step, by member
 * @param audit how often that step has been computed before, if it is audited
 * @param awaited a record that is being made durable, before which nothing is computed
 * @param committing whether the step is being made durable in the ledger: it will be committed
 * @param source who was asked for the parameters, while they are being saved
 * @param stopAsked whether a person wants the run to end
 * @param notFinite how the last committed steps went wrong
 * @param retries attempts in a row that parted or broke although nobody was lost
 * @param ties attempts at the open step whose sums differ, and none has more than half
 * @param speeds of the workers
 * @param modelSaved whether the parameters lie on the disk, at the run's end
 * @param checkpoints where the run is with them
 * @param evaluations where the run is with them
 */
public record State(
    Phase phase,
    Generation generation,
    long step,
    SortedSet<WorkerId> joined,
    SortedSet<WorkerId> loaded,
    List<WorkerId> spares,
    SortedMap<WorkerId, Lesson> lessons,
    long lessonsBegun,
    SortedMap<WorkerId, Event.Returned> returned,
    SortedSet<WorkerId> leaving,
    Optional<String> probe,
    List<Share> shares,
    Map<WorkerId, StepResult> prepared,
    Audit audit,
    Optional<CutRecord> awaited,
    boolean committing,
    Optional<WorkerId> source,
    boolean stopAsked,
    NotFinite notFinite,
    int retries,
    int ties,
    Speeds speeds,
    boolean modelSaved,
    Checkpointing checkpoints,
    Evaluations evaluations) {

  /** More lessons or generations than a coordinator lives to see. */
  private static final long NUMBERS_OF_A_TERM = 1_000_000_000;

  /** What is being waited for. */
  public enum Phase {
    /** Those that an earlier coordinator left, with the state. */
    GATHERING,
    /** A checkpoint that is whole, to go on from. */
    FINDING,
    /** Those workers that are there, with its state. */
    REASSEMBLING,
    /** All workers, with the state. */
    ASSEMBLING,
    /** All members' word that they are prepared. */
    STEPPING,
    /** The parameters, on their way from a member to the disk. */
    SAVING,
    /** Nothing. */
    ENDED
  }

  /** Before anything has happened. */
  public static State initial() {
    return new State(
        Phase.ASSEMBLING,
        new Generation(0),
        0,
        new TreeSet<>(),
        new TreeSet<>(),
        List.of(),
        new TreeMap<>(),
        0,
        new TreeMap<>(),
        new TreeSet<>(),
        Optional.empty(),
        List.of(),
        Map.of(),
        Audit.NONE,
        Optional.empty(),
        false,
        Optional.empty(),
        false,
        NotFinite.NONE,
        0,
        0,
        Speeds.UNKNOWN,
        false,
        Checkpointing.NONE,
        Evaluations.NONE);
  }

  /**
   * A coordinator's that comes after another one. Its lessons, generations and checkpoints have
   * numbers that are none of that one's, whose last words may still be on the way.
   */
  public static State after(Term term, Past past) {
    return initial()
        .with(
            next -> {
              next.nextPhase = Phase.GATHERING;
              next.nextStep = past.steps();
              next.nextEvaluations = past.evaluations();
              long first = (term.number() - 1) * NUMBERS_OF_A_TERM;
              next.nextCheckpoints = Checkpointing.after(past, first);
              next.nextLessonsBegun = first;
              next.nextGeneration = new Generation(first);
            });
  }

  /** A run's that was over: all its workers are new, and begin from a checkpoint. */
  public static State resuming(Term term, Past past, CheckpointPoint point) {
    State rewound = after(term, past).withRewound(point);
    return rewound.with(
        next -> {
          next.nextPhase = Phase.ASSEMBLING;
          next.nextCheckpoints = after(term, past).checkpoints().resumed(point.steps());
        });
  }

  /** A copy to be changed; what is not set stays. */
  private final class Next {
    private Phase nextPhase = phase;
    private Generation nextGeneration = generation;
    private long nextStep = step;
    private SortedSet<WorkerId> nextJoined = joined;
    private SortedSet<WorkerId> nextLoaded = loaded;
    private List<WorkerId> nextSpares = spares;
    private SortedMap<WorkerId, Lesson> nextLessons = lessons;
    private long nextLessonsBegun = lessonsBegun;
    private SortedMap<WorkerId, Event.Returned> nextReturned = returned;
    private SortedSet<WorkerId> nextLeaving = leaving;
    private Optional<String> nextProbe = probe;
    private List<Share> nextShares = shares;
    private Map<WorkerId, StepResult> nextPrepared = prepared;
    private Audit nextAudit = audit;
    private Optional<CutRecord> nextAwaited = awaited;
    private boolean nextCommitting = committing;
    private Optional<WorkerId> nextSource = source;
    private boolean nextStopAsked = stopAsked;
    private NotFinite nextNotFinite = notFinite;
    private int nextRetries = retries;
    private int nextTies = ties;
    private Speeds nextSpeeds = speeds;
    private boolean nextModelSaved = modelSaved;
    private Checkpointing nextCheckpoints = checkpoints;
    private Evaluations nextEvaluations = evaluations;
  }

  private State with(Consumer<Next> change) {
    Next next = new Next();
    change.accept(next);
    return new State(
        next.nextPhase,
        next.nextGeneration,
        next.nextStep,
        next.nextJoined,
        next.nextLoaded,
        next.nextSpares,
        next.nextLessons,
        next.nextLessonsBegun,
        next.nextReturned,
        next.nextLeaving,
        next.nextProbe,
        next.nextShares,
        next.nextPrepared,
        next.nextAudit,
        next.nextAwaited,
        next.nextCommitting,
        next.nextSource,
        next.nextStopAsked,
        next.nextNotFinite,
        next.nextRetries,
        next.nextTies,
        next.nextSpeeds,
        next.nextModelSaved,
        next.nextCheckpoints,
        next.nextEvaluations);
  }

  State with(Checkpointing now) {
    return with(next -> next.nextCheckpoints = now);
  }

  State with(Audit now) {
    return with(next -> next.nextAudit = now);
  }

  State with(Evaluations now) {
    return with(next -> next.nextEvaluations = now);
  }

  State withModelSaved() {
    return with(next -> next.nextModelSaved = true);
  }

  /** Nobody holds the state; those that were learning it wait for another one. */
  State withoutState() {
    List<WorkerId> waiting = new ArrayList<>(spares);
    joined.stream().filter(worker -> !loaded.contains(worker)).forEach(waiting::add);
    return with(
        next -> {
          next.nextPhase = Phase.FINDING;
          next.nextJoined = new TreeSet<>();
          next.nextLoaded = new TreeSet<>();
          next.nextSpares = List.copyOf(waiting);
          next.nextLessons = new TreeMap<>();
          next.nextReturned = new TreeMap<>();
          next.nextLeaving = new TreeSet<>();
          next.nextProbe = Optional.empty();
          next.nextShares = List.of();
          next.nextPrepared = Map.of();
          next.nextAudit = Audit.NONE;
          next.nextAwaited = Optional.empty();
          next.nextCommitting = false;
          next.nextSource = Optional.empty();
          next.nextRetries = 0;
          next.nextTies = 0;
          next.nextModelSaved = false;
          next.nextCheckpoints = checkpoints.withPending(Optional.empty());
          next.nextEvaluations = evaluations.withoutDue();
        });
  }

  /** To be gone on with from there. */
  State withRewound(CheckpointPoint point) {
    return with(
        next -> {
          next.nextPhase = Phase.REASSEMBLING;
          next.nextStep = point.steps();
          next.nextNotFinite = NotFinite.after(point.notFinite());
          next.nextEvaluations = evaluations.withoutDue();
          next.nextCheckpoints = checkpoints.rewound(point.steps());
        });
  }

  State withPhase(Phase now) {
    return with(next -> next.nextPhase = now);
  }

  State withJoined(WorkerId worker) {
    return with(next -> next.nextJoined = plus(joined, worker));
  }

  /** The first one's probe is the run's. */
  State withLoaded(WorkerId worker, String of) {
    return with(
        next -> {
          next.nextLoaded = plus(loaded, worker);
          next.nextProbe = probe.or(() -> Optional.of(of));
        });
  }

  State withSpare(WorkerId worker) {
    List<WorkerId> more = new ArrayList<>(spares);
    more.add(worker);
    return with(next -> next.nextSpares = List.copyOf(more));
  }

  State withoutSpare(WorkerId worker) {
    List<WorkerId> fewer = spares.stream().filter(spare -> !spare.equals(worker)).toList();
    return with(next -> next.nextSpares = fewer);
  }

  /** Without a worker, wherever it was; the others may be luckier. */
  State without(WorkerId worker) {
    return with(
        next -> {
          next.nextJoined = minus(joined, worker);
          next.nextLoaded = minus(loaded, worker);
          next.nextLessons = minus(lessons, worker);
          next.nextReturned = minus(returned, worker);
          next.nextLeaving = minus(leaving, worker);
          next.nextProbe = next.nextLoaded.isEmpty() ? Optional.empty() : probe;
          next.nextRetries = 0;
          next.nextTies = 0;
        });
  }

  /** Its members hold the state, or will when its first step begins. */
  State withGeneration(Generation begun, List<Share> owners) {
    return with(
        next -> {
          next.nextPhase = Phase.STEPPING;
          next.nextLoaded = new TreeSet<>(loaded);
          owners.forEach(share -> next.nextLoaded.add(share.worker()));
          next.nextGeneration = begun;
          next.nextShares = owners;
          next.nextPrepared = Map.of();
          next.nextAudit = Audit.NONE;
          next.nextAwaited = Optional.empty();
          next.nextSpeeds = speeds.sharedOut();
        });
  }

  State withPrepared(WorkerId worker, StepResult result) {
    Map<WorkerId, StepResult> more = new TreeMap<>(prepared);
    more.put(worker, result);
    return with(
        next -> {
          next.nextPrepared = more;
          next.nextLessons = minus(lessons, worker); // it has shown what it has learnt
        });
  }

  /** A worker that learns, by a lesson of the next number. */
  State withLearner(WorkerId worker, int attempt, List<WorkerId> teachers) {
    Lesson lesson = new Lesson(lessonsBegun + 1, attempt, teachers, Optional.empty());
    return with(
        next -> {
          next.nextJoined = plus(joined, worker);
          next.nextLoaded = minus(loaded, worker);
          next.nextLessons = plus(lessons, worker, lesson);
          next.nextLessonsBegun = lesson.number();
        });
  }

  State withLesson(WorkerId worker, Lesson lesson) {
    return with(next -> next.nextLessons = plus(lessons, worker, lesson));
  }

  State withReturned(Event.Returned one) {
    return with(
        next -> {
          next.nextJoined = plus(joined, one.worker());
          next.nextReturned = plus(returned, one.worker(), one);
        });
  }

  /** They have the state after so many steps, and make the next generation. */
  State withGathered(long steps, SortedSet<WorkerId> members, String of) {
    return with(
        next -> {
          next.nextStep = steps;
          next.nextJoined = members;
          next.nextLoaded = members;
          next.nextProbe = Optional.of(of);
          next.nextReturned = new TreeMap<>();
        });
  }

  State withLeaving(WorkerId worker) {
    return with(next -> next.nextLeaving = plus(leaving, worker));
  }

  State withCommitting() {
    return with(next -> next.nextCommitting = true);
  }

  /** Workers whose state is sure: they hold it, and have shown it in a step if they learnt it. */
  public List<WorkerId> teachers() {
    return loaded.stream().filter(worker -> !lessons.containsKey(worker)).toList();
  }

  /** Workers that hold the state, or follow it closely enough to take part in the next step. */
  SortedSet<WorkerId> able() {
    SortedSet<WorkerId> able = new TreeSet<>(loaded);
    lessons.forEach(
        (worker, lesson) -> {
          if (lesson.isCaughtUp()) {
            able.add(worker);
          }
        });
    return able;
  }

  State withAwaited(CutRecord cut) {
    return with(next -> next.nextAwaited = Optional.of(cut));
  }

  State withCommitted(NotFinite now) {
    return with(
        next -> {
          next.nextStep = step + 1;
          next.nextSpeeds = speeds.after(shares, prepared);
          next.nextPrepared = Map.of();
          next.nextAudit = Audit.NONE;
          next.nextCommitting = false;
          next.nextNotFinite = now;
          next.nextRetries = 0;
          next.nextTies = 0;
          next.nextCheckpoints = checkpoints.committed(step + 1);
        });
  }

  State withSource(WorkerId worker) {
    return with(
        next -> {
          next.nextPhase = Phase.SAVING;
          next.nextSource = Optional.of(worker);
        });
  }

  State withoutSource() {
    return with(next -> next.nextSource = Optional.empty());
  }

  State withStopAsked() {
    return with(next -> next.nextStopAsked = true);
  }

  State withTie() {
    return with(next -> next.nextTies = ties + 1);
  }

  State withRetry() {
    return with(next -> next.nextRetries = retries + 1);
  }

  /** How often the run has gone back to a checkpoint. */
  public long history() {
    return checkpoints.history();
  }

  /** Whether a worker belongs to the generation. */
  public boolean isMember(WorkerId worker) {
    return shares.stream().anyMatch(share -> share.worker().equals(worker));
  }

  private static SortedSet<WorkerId> plus(SortedSet<WorkerId> set, WorkerId worker) {
    SortedSet<WorkerId> more = new TreeSet<>(set);
    more.add(worker);
    return more;
  }

  private static <T> SortedMap<WorkerId, T> plus(
      SortedMap<WorkerId, T> map, WorkerId worker, T value) {
    SortedMap<WorkerId, T> more = new TreeMap<>(map);
    more.put(worker, value);
    return more;
  }

  private static <T> SortedMap<WorkerId, T> minus(SortedMap<WorkerId, T> map, WorkerId worker) {
    SortedMap<WorkerId, T> fewer = new TreeMap<>(map);
    fewer.remove(worker);
    return fewer;
  }

  private static SortedSet<WorkerId> minus(SortedSet<WorkerId> set, WorkerId worker) {
    SortedSet<WorkerId> fewer = new TreeSet<>(set);
    fewer.remove(worker);
    return fewer;
  }
}
