package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.SortedSet;
import java.util.stream.IntStream;
import org.dunlin.protocol.WorkerId;

/**
 * A member's contiguous slots.
 *
 * @param worker who
 * @param firstSlot the first of them
 * @param slots how many; 0 where there are more members than slots
 */
public record Share(WorkerId worker, int firstSlot, int slots) {
  // Loads that differ by less are as good as each other.
  private static final double ALIKE = 1.02;

  /**
   * Every slot once, members in their order, so that the one that takes longest takes as little as
   * can be, and everyone gets one if there are enough; and of such shares those with the fewest
   * subtrees of the fixed sum, each of which is a partial sum to be sent. Bits do not depend on it,
   * so it may change whenever speeds call for it.
   */
  static List<Share> balanced(SortedSet<WorkerId> members, int slots, Speeds speeds) {
    List<WorkerId> order = List.copyOf(members);
    double[] msPerSlot = order.stream().mapToDouble(speeds::of).toArray();
    int[] counts = fewestSubtrees(msPerSlot, shortest(msPerSlot, slots), slots);
    List<Share> shares = new ArrayList<>();
    int first = 0;
    for (int m = 0; m < counts.length; m++) {
      shares.add(new Share(order.get(m), first, counts[m]));
      first += counts[m];
    }
    return List.copyOf(shares);
  }

  /** How long the one that takes longest needs with {@link #balanced} shares, within 2 %. */
  static double leastMs(SortedSet<WorkerId> members, int slots, Speeds speeds) {
    double[] msPerSlot = members.stream().mapToDouble(speeds::of).toArray();
    int[] counts = shortest(msPerSlot, slots);
    return IntStream.range(0, counts.length)
        .mapToDouble(m -> counts[m] * msPerSlot[m])
        .max()
        .orElse(0);
  }

  /**
   * Each slot goes to who is done with it first, but for one that everyone gets where there are
   * enough: who has none would never show that it is fast again.
   */
  private static int[] shortest(double[] msPerSlot, int slots) {
    int[] counts = new int[msPerSlot.length];
    int first = slots >= counts.length ? 1 : 0;
    Arrays.fill(counts, first);
    PriorityQueue<Integer> next =
        new PriorityQueue<>(
            Comparator.comparingDouble((Integer m) -> (counts[m] + 1) * msPerSlot[m])
                .thenComparing(Comparator.naturalOrder()));
    for (int m = 0; m < counts.length; m++) {
      next.add(m);
    }
    for (int slot = first * counts.length; slot < slots; slot++) {
      int member = next.remove();
      counts[member]++;
      next.add(member);
    }
    return counts;
  }

  // By the number of members and of slots that they have together: the fewest subtrees. Nobody gets
  // much less than is its share, though that may take no longer: slots are not all alike.
  private static int[] fewestSubtrees(double[] msPerSlot, int[] shortest, int slots) {
    int members = msPerSlot.length;
    double mostMs = 0;
    for (int m = 0; m < members; m++) {
      mostMs = Math.max(mostMs, ALIKE * shortest[m] * msPerSlot[m]);
    }
    int[][] fewest = new int[members + 1][slots + 1];
    int[][] last = new int[members + 1][slots + 1];
    for (int[] row : fewest) {
      Arrays.fill(row, Integer.MAX_VALUE);
    }
    fewest[0][0] = 0;
    for (int m = 0; m < members; m++) {
      int most = (int) Math.min(shortest[m] + 1.0, Math.floor(mostMs / msPerSlot[m]));
      int least = Math.max(Math.min(shortest[m], 1), shortest[m] - 1);
      for (int first = 0; first <= slots; first++) {
        if (fewest[m][first] == Integer.MAX_VALUE) {
          continue;
        }
        for (int count = least; count <= Math.min(most, slots - first); count++) {
          int subtrees = fewest[m][first] + subtrees(first, first + count);
          if (subtrees <= fewest[m + 1][first + count]) { // the first members get what is left over
            fewest[m + 1][first + count] = subtrees;
            last[m + 1][first + count] = count;
          }
        }
      }
    }
    int[] counts = new int[members];
    int end = slots;
    for (int m = members; m > 0; m--) {
      counts[m - 1] = last[m][end];
      end -= counts[m - 1];
    }
    return counts;
  }

  /** Complete subtrees that slots {@code first} to {@code end - 1} consist of. */
  private static int subtrees(int first, int end) {
    int subtrees = 0;
    int at = first;
    while (at < end) {
      int size = at == 0 ? Integer.highestOneBit(end) : Integer.lowestOneBit(at);
      while (at + size > end) {
        size /= 2;
      }
      at += size;
      subtrees++;
    }
    return subtrees;
  }
}
