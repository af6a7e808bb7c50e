package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import org.dunlin.protocol.WorkerId;

/**
 * A member's contiguous slots.
 *
 * @param worker who
 * @param firstSlot the first of them
 * @param slots how many; 0 where there are more members than slots
 */
public record Share(WorkerId worker, int firstSlot, int slots) {

  /**
   * Every slot once, members in their order, as even as possible: the first {@code slots % members}
   * get one more. Bits do not depend on it, so it may change whenever speeds call for it.
   */
  static List<Share> even(SortedSet<WorkerId> members, int slots) {
    List<Share> shares = new ArrayList<>();
    int each = slots / members.size();
    int more = slots % members.size();
    int first = 0;
    for (WorkerId worker : members) {
      int count = each + (shares.size() < more ? 1 : 0);
      shares.add(new Share(worker, first, count));
      first += count;
    }
    return List.copyOf(shares);
  }
}
