package org.dunlin.worker.member;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;

/**
 * Where a worker is. Immutable; only {@link MemberProtocol} makes a next one.
 *
 * @param phase what is being waited for
 * @param term of the coordinator that it obeys; empty until welcomed
 * @param generation 0 until assigned
 * @param firstSlot of its slots
 * @param slots how many it owns
 * @param recompute what is computed in the step below
 * @param step the lowest that it has not applied; equals the number of applied updates
 * @param prepared the result of that step, while it waits for the commit
 * @param returns whether another coordinator has to be told of this worker once it can
 * @param fed what has arrived of this and later steps: its size is the coordinator's feed window
 * @param next the generation to begin once the update under way is applied
 * @param lesson the newest that it takes or took, or 0
 * @param given lessons that it gives or gave
 * @param checkpointAsked what is wanted once the update under way is applied
 * @param stateAsked the number of updates after which the parameters are wanted, or -1
 */
public record MemberState(
    Phase phase,
    Optional<Term> term,
    Generation generation,
    int firstSlot,
    int slots,
    Recompute recompute,
    long step,
    Optional<StepResult> prepared,
    boolean returns,
    SortedMap<Long, Inbox> fed,
    Optional<MemberEvent.Assigned> next,
    long lesson,
    Set<Long> given,
    Optional<MemberEvent.CheckpointAsked> checkpointAsked,
    long stateAsked) {

  /** What is being waited for. */
  public enum Phase {
    /** A coordinator's welcome. */
    JOINING,
    /** To be needed after all. */
    SPARE,
    /** The run's state. */
    LOADING,
    /** The state of a run under way, from its members. */
    LEARNING,
    /** To take part; until then it does their updates too. */
    FOLLOWING,
    /** A generation that this worker is a member of. */
    WAITING,
    /** The generation's other members, on the data plane. */
    MEETING,
    /** The step's header and own batches. */
    COLLECTING,
    /** The own compute threads and the other members. */
    COMPUTING,
    /** A next generation: in this one a member is lost, or memory was short. */
    STRANDED,
    /** The coordinator's commit. */
    PREPARED,
    /** The own optimiser. */
    APPLYING,
    /** Nothing. */
    ENDED
  }

  /** What has arrived of one step. */
  public record Inbox(Optional<StepHeader> header, Map<Integer, SlotBatch> batches) {
    static final Inbox EMPTY = new Inbox(Optional.empty(), Map.of());

    boolean has(FeedItem item) {
      return switch (item) {
        case StepHeader ignored -> header.isPresent();
        case SlotBatch batch -> batches.containsKey(batch.slot());
      };
    }

    Inbox with(FeedItem item) {
      return switch (item) {
        case StepHeader arrived -> new Inbox(Optional.of(arrived), batches);
        case SlotBatch arrived -> {
          Map<Integer, SlotBatch> more = new TreeMap<>(batches);
          more.put(arrived.slot(), arrived);
          yield new Inbox(header, more);
        }
      };
    }

    /** The own batches in slot order, once the header and all of them are there. */
    Optional<List<SlotBatch>> complete(int firstSlot, int slots) {
      if (header.isEmpty()) {
        return Optional.empty();
      }
      List<SlotBatch> own =
          batches.values().stream()
              .filter(b -> b.slot() >= firstSlot && b.slot() < firstSlot + slots)
              .toList();
      int expected = 0;
      for (int slot = firstSlot; slot < firstSlot + slots; slot++) {
        expected += header.get().isEmpty(slot) ? 0 : 1;
      }
      return own.size() == expected ? Optional.of(own) : Optional.empty();
    }
  }

  /** Before anything has happened. */
  public static MemberState initial() {
    return new MemberState(
        Phase.JOINING,
        Optional.empty(),
        new Generation(0),
        0,
        0,
        Recompute.MISSING,
        0,
        Optional.empty(),
        false,
        new TreeMap<>(),
        Optional.empty(),
        0,
        Set.of(),
        Optional.empty(),
        -1);
  }

  /** A copy to be changed; what is not set stays. */
  private final class Next {
    private Phase nextPhase = phase;
    private Optional<Term> nextTerm = term;
    private Generation nextGeneration = generation;
    private int nextFirstSlot = firstSlot;
    private int nextSlots = slots;
    private Recompute nextRecompute = recompute;
    private long nextStep = step;
    private Optional<StepResult> nextPrepared = prepared;
    private boolean nextReturns = returns;
    private SortedMap<Long, Inbox> nextFed = fed;
    private Optional<MemberEvent.Assigned> nextAssigned = next;
    private long nextLesson = lesson;
    private Set<Long> nextGiven = given;
    private Optional<MemberEvent.CheckpointAsked> nextCheckpointAsked = checkpointAsked;
    private long nextStateAsked = stateAsked;
  }

  private MemberState with(Consumer<Next> change) {
    Next to = new Next();
    change.accept(to);
    return new MemberState(
        to.nextPhase,
        to.nextTerm,
        to.nextGeneration,
        to.nextFirstSlot,
        to.nextSlots,
        to.nextRecompute,
        to.nextStep,
        to.nextPrepared,
        to.nextReturns,
        to.nextFed,
        to.nextAssigned,
        to.nextLesson,
        to.nextGiven,
        to.nextCheckpointAsked,
        to.nextStateAsked);
  }

  MemberState withPhase(Phase then) {
    return with(to -> to.nextPhase = then);
  }

  MemberState withPrepared(StepResult result) {
    return with(
        to -> {
          to.nextPhase = Phase.PREPARED;
          to.nextPrepared = Optional.of(result);
        });
  }

  MemberState withReturns(boolean due) {
    return with(to -> to.nextReturns = due);
  }

  /** Another coordinator counts its lessons anew; generations go on. */
  MemberState withNewTerm(Term of) {
    return with(
        to -> {
          to.nextTerm = Optional.of(of);
          to.nextAssigned = Optional.empty(); // it will assign anew
          to.nextLesson = 0;
          to.nextGiven = Set.of();
        });
  }

  MemberState withTerm(Term of) {
    return with(to -> to.nextTerm = Optional.of(of));
  }

  /** Its feed brings everything anew. */
  MemberState withAssignment(MemberEvent.Assigned assigned) {
    return with(
        to -> {
          to.nextPhase = Phase.MEETING;
          to.nextPrepared = Optional.empty();
          to.nextGeneration = assigned.generation();
          to.nextFirstSlot = assigned.firstSlot();
          to.nextSlots = assigned.slots();
          to.nextRecompute = assigned.recompute();
          to.nextFed = new TreeMap<>();
          to.nextAssigned = Optional.empty();
        });
  }

  MemberState withNext(MemberEvent.Assigned assigned) {
    return with(to -> to.nextAssigned = Optional.of(assigned));
  }

  MemberState withFed(FeedItem item) {
    SortedMap<Long, Inbox> more = new TreeMap<>(fed);
    more.put(item.step(), more.getOrDefault(item.step(), Inbox.EMPTY).with(item));
    return with(to -> to.nextFed = more);
  }

  MemberState withApplied() {
    return with(
        to -> {
          to.nextPhase = Phase.COLLECTING;
          to.nextPrepared = Optional.empty();
          to.nextRecompute = Recompute.MISSING;
          to.nextStep = step + 1;
          to.nextFed = new TreeMap<>(fed.tailMap(step + 1));
        });
  }

  /** Generations up to the newest are not its own. */
  MemberState withLesson(MemberEvent.LearnAsked asked) {
    return with(
        to -> {
          to.nextPhase = Phase.LEARNING;
          to.nextTerm = Optional.of(asked.term());
          to.nextGeneration = asked.generation();
          to.nextLesson = asked.lesson();
          to.nextAssigned = Optional.empty();
        });
  }

  MemberState withFollowed(long steps) {
    return with(
        to -> {
          to.nextPhase = Phase.FOLLOWING;
          to.nextStep = steps;
        });
  }

  /** A lesson that broke leaves it without a state. */
  MemberState withoutLesson() {
    return with(
        to -> {
          to.nextPhase = Phase.SPARE;
          to.nextStep = 0;
          to.nextAssigned = Optional.empty();
        });
  }

  MemberState withGiven(long number) {
    Set<Long> more = new TreeSet<>(given);
    more.add(number);
    return with(to -> to.nextGiven = more);
  }

  MemberState withCheckpointAsked(Optional<MemberEvent.CheckpointAsked> asked) {
    return with(to -> to.nextCheckpointAsked = asked);
  }

  /** The run's state is to be loaded, whatever was there before. */
  MemberState withWelcome(MemberEvent.Welcomed welcomed) {
    return with(
        to -> {
          to.nextPhase = Phase.LOADING;
          to.nextTerm = Optional.of(welcomed.term());
          to.nextStep = welcomed.steps();
          to.nextAssigned = Optional.empty();
        });
  }

  MemberState withStateAsked(long steps) {
    return with(to -> to.nextStateAsked = steps);
  }
}
