package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.SlotDigest;
import org.dunlin.protocol.message.StepResult;

/**
 * How often the open step has been computed, each time anew and each slot by another member.
 * Immutable; begins anew with every change of members.
 *
 * @param rounds that all members were prepared in, in their order
 */
public record Audit(List<Round> rounds) {
  static final Audit NONE = new Audit(List.of());

  /**
   * The step, computed once.
   *
   * @param shares of the members
   * @param checksum that all of them had
   * @param shown digests of slots, by slot; empty where none were asked for
   */
  public record Round(List<Share> shares, long checksum, Map<Integer, SlotDigest> shown) {
    public Round {
      shares = List.copyOf(shares);
      shown = Map.copyOf(shown);
    }

    static Round of(State state, long checksum) {
      Map<Integer, SlotDigest> shown = new TreeMap<>();
      for (StepResult result : state.prepared().values()) {
        result.digests().forEach(digest -> shown.put(digest.slot(), digest));
      }
      return new Round(state.shares(), checksum, shown);
    }

    /** Who computed a slot. */
    WorkerId owner(int slot) {
      return shares.stream()
          .filter(share -> slot >= share.firstSlot() && slot < share.firstSlot() + share.slots())
          .map(Share::worker)
          .findFirst()
          .orElseThrow();
    }

    Optional<SlotDigest> digest(int slot) {
      return Optional.ofNullable(shown.get(slot));
    }
  }

  public Audit {
    rounds = List.copyOf(rounds);
  }

  Audit with(Round round) {
    List<Round> more = new ArrayList<>(rounds);
    more.add(round);
    return new Audit(more);
  }

  /** The newest rounds. */
  List<Round> last(int count) {
    return rounds.subList(rounds.size() - count, rounds.size());
  }
}
