package org.dunlin.coordinator.step;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.Test;

class ShareTest {
  @Property
  void everySlotHasOneOwnerAndTheLongestTakesAsLittleAsCanBe(
      @ForAll @IntRange(max = 6) int power,
      @ForAll @Size(min = 1, max = 9) List<@DoubleRange(min = 1, max = 20) Double> msPerSlot) {
    int slots = 1 << power;
    Speeds speeds = speeds(msPerSlot);
    List<Share> shares = Share.balanced(workers(msPerSlot.size()), slots, speeds);

    int next = 0;
    double longest = 0;
    for (Share share : shares) {
      assertThat(share.firstSlot()).isEqualTo(next);
      next += share.slots();
      longest = Math.max(longest, share.slots() * speeds.of(share.worker()));
    }
    assertThat(next).isEqualTo(slots);
    double least = optimum(msPerSlot, slots);
    if (slots >= msPerSlot.size()) {
      assertThat(shares).allMatch(share -> share.slots() > 0);
      least = Math.max(least, msPerSlot.stream().max(Double::compare).orElseThrow());
    }
    assertThat(longest).isLessThanOrEqualTo(1.021 * least);
  }

  // The shortest longest time at which everyone's whole slots are enough, by bisection.
  private static double optimum(List<Double> msPerSlot, int slots) {
    double low = 0;
    double high = msPerSlot.get(0) * slots;
    for (int i = 0; i < 60; i++) {
      double middle = (low + high) / 2;
      double most = middle * (1 + 1e-12);
      long fit = msPerSlot.stream().mapToLong(ms -> (long) Math.floor(most / ms)).sum();
      if (fit >= slots) {
        high = middle;
      } else {
        low = middle;
      }
    }
    return high;
  }

  @Test
  void equalWorkersGetWholeSubtreesWhereThatCostsNothing() {
    assertThat(counts(List.of(1.0, 1.0), 8)).containsExactly(4, 4);
    assertThat(counts(List.of(1.0, 1.0, 1.0, 1.0), 8)).containsExactly(2, 2, 2, 2);
    // Any order of 3, 3 and 2 is as fast; these need 5 partial sums, 3, 2 and 3 would need 6.
    assertThat(counts(List.of(1.0, 1.0, 1.0), 8)).isIn(List.of(3, 3, 2), List.of(2, 3, 3));
  }

  @Test
  void slowerWorkersGetLessAndSparesNothing() {
    assertThat(counts(List.of(1.0, 3.0), 8)).containsExactly(6, 2);
    assertThat(counts(List.of(1.0, 100.0), 8)).containsExactly(7, 1); // it may be fast again
    assertThat(counts(List.of(1.0, 1.0, 1.0), 2)).containsExactlyInAnyOrder(1, 1, 0);
  }

  private static List<Integer> counts(List<Double> msPerSlot, int slots) {
    return Share.balanced(workers(msPerSlot.size()), slots, speeds(msPerSlot)).stream()
        .map(Share::slots)
        .toList();
  }

  @Test
  void slotsMoveOnlyForMuchTimeAndNotAtOnce() {
    SortedSet<WorkerId> workers = workers(2);
    List<Share> even = Share.balanced(workers, 8, Speeds.UNKNOWN);
    Speeds alike = after(Speeds.UNKNOWN, even, 5, 100, 110);
    assertThat(alike.areSettled()).isTrue();
    assertThat(alike.callFor(Share.leastMs(workers, 8, alike), even)).isFalse();

    Speeds apart = after(Speeds.UNKNOWN, even, 4, 100, 300);
    assertThat(apart.areSettled()).isFalse();
    List<Share> better = Share.balanced(workers, 8, apart);
    assertThat(better).extracting(Share::slots).containsExactly(6, 2);
    assertThat(apart.callFor(Share.leastMs(workers, 8, apart), even)).isTrue();
    assertThat(apart.sharedOut().areSettled()).isFalse();

    Speeds small = after(Speeds.UNKNOWN, even, 5, 4, 12); // a gain of 6 ms
    assertThat(small.callFor(Share.leastMs(workers, 8, small), even)).isFalse();
  }

  private static Speeds after(
      Speeds speeds, List<Share> shares, int steps, double firstMs, double secondMs) {
    Speeds next = speeds;
    for (int step = 0; step < steps; step++) {
      next =
          next.after(
              shares,
              Map.of(
                  shares.get(0).worker(), busy(firstMs), shares.get(1).worker(), busy(secondMs)));
    }
    return next;
  }

  private static StepResult busy(double ms) {
    return new StepResult(0, 7, true, 1, new Scalars(0, 1, 0), new double[0], ms);
  }

  private static Speeds speeds(List<Double> msPerSlot) {
    Map<WorkerId, Double> known = new TreeMap<>();
    int number = 0;
    for (WorkerId worker : workers(msPerSlot.size())) {
      known.put(worker, msPerSlot.get(number++));
    }
    return new Speeds(known, 0);
  }

  private static SortedSet<WorkerId> workers(int count) {
    SortedSet<WorkerId> workers = new TreeSet<>();
    for (int w = 0; w < count; w++) {
      workers.add(new WorkerId("w" + w, 1));
    }
    return workers;
  }
}
