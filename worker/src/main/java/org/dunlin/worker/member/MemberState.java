package org.dunlin.worker.member;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;

/**
 * Where a worker is. Immutable; only {@link MemberProtocol} makes a next one.
 *
 * @param phase what is being waited for
 * @param term of the coordinator that it obeys; empty until welcomed
 * @param generation 0 until assigned
 * @param firstSlot of its slots
 * @param slots how many it owns
 * @param step the lowest that it has not applied; equals the number of applied updates
 * @param fed what has arrived of this and later steps: its size is the coordinator's feed window
 * @param next the generation to begin once the update under way is applied
 * @param stateAsked the number of updates after which the parameters are wanted, or -1
 */
public record MemberState(
    Phase phase,
    Optional<Term> term,
    Generation generation,
    int firstSlot,
    int slots,
    long step,
    SortedMap<Long, Inbox> fed,
    Optional<MemberEvent.Assigned> next,
    long stateAsked) {

  /** What is being waited for. */
  public enum Phase {
    /** A coordinator's welcome. */
    JOINING,
    /** To be needed after all. */
    SPARE,
    /** The run's state. */
    LOADING,
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
        0,
        new TreeMap<>(),
        Optional.empty(),
        -1);
  }

  MemberState withPhase(Phase then) {
    return new MemberState(then, term, generation, firstSlot, slots, step, fed, next, stateAsked);
  }

  MemberState withTerm(Term of) {
    return new MemberState(
        phase, Optional.of(of), generation, firstSlot, slots, step, fed, next, stateAsked);
  }

  /** Its feed brings everything anew. */
  MemberState withAssignment(MemberEvent.Assigned assigned) {
    return new MemberState(
        Phase.MEETING,
        term,
        assigned.generation(),
        assigned.firstSlot(),
        assigned.slots(),
        step,
        new TreeMap<>(),
        Optional.empty(),
        stateAsked);
  }

  MemberState withNext(MemberEvent.Assigned assigned) {
    return new MemberState(
        phase, term, generation, firstSlot, slots, step, fed, Optional.of(assigned), stateAsked);
  }

  MemberState withFed(FeedItem item) {
    SortedMap<Long, Inbox> more = new TreeMap<>(fed);
    more.put(item.step(), more.getOrDefault(item.step(), Inbox.EMPTY).with(item));
    return new MemberState(phase, term, generation, firstSlot, slots, step, more, next, stateAsked);
  }

  MemberState withApplied() {
    SortedMap<Long, Inbox> later = new TreeMap<>(fed.tailMap(step + 1));
    return new MemberState(
        Phase.COLLECTING, term, generation, firstSlot, slots, step + 1, later, next, stateAsked);
  }

  MemberState withStateAsked(long steps) {
    return new MemberState(phase, term, generation, firstSlot, slots, step, fed, next, steps);
  }
}
