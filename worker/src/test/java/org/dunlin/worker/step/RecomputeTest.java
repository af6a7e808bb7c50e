package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.SlotDigest;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Members;
import org.dunlin.worker.step.SmallRun.Training;
import org.dunlin.worker.trace.Trace;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A step is computed again, all of it, by members that had other slots before. */
class RecomputeTest {
  private static final int[] POOLS = {0, 5, 6, 13};
  private static final int[] ONE_POOL = {0, 13}; // every slot sees every passage
  private static final int[] BOUNDS = {0, 2, 3, 4};
  private static final int ROWS = 3;
  private static final long STEP = 0;
  private static final Memory KEEPS_ALL = new Memory(false, Long.MAX_VALUE / 4);

  /** Who has the first slots, and who the next. */
  private static final List<List<Integer>> ORDERS =
      List.of(List.of(0, 1, 2), List.of(1, 2, 0), List.of(2, 0, 1));

  @ParameterizedTest
  @EnumSource(Training.class)
  void shouldShowTheSameOfASlotWhoeverComputesIt(Training kind) throws Exception {
    SmallRun run = run(kind);
    StepResult alone;
    try (StepCompute device = run.device(1)) {
      alone = run.compute(device, STEP, ROWS);
      assertThat(alone.digests()).isEmpty();
    }
    try (Trio trio = new Trio(run)) {
      List<Map<Integer, SlotDigest>> shown = new ArrayList<>();
      for (List<Integer> order : ORDERS) {
        List<StepResult> results = trio.compute(order, Recompute.ALL_SHOWN);
        assertThat(results).extracting(StepResult::checksum).containsOnly(alone.checksum());
        Map<Integer, SlotDigest> bySlot = new TreeMap<>();
        for (int place = 0; place < order.size(); place++) {
          for (SlotDigest digest : results.get(order.get(place)).digests()) {
            assertThat(digest.slot()).isBetween(BOUNDS[place], BOUNDS[place + 1] - 1);
            bySlot.put(digest.slot(), digest);
          }
        }
        assertThat(bySlot).containsOnlyKeys(0, 1, 2, 3);
        shown.add(bySlot);
      }
      assertThat(shown).containsOnly(shown.get(0));
      assertThat(
              shown.get(0).values().stream()
                  .flatMap(digest -> Arrays.stream(SlotDigest.Stage.values()).map(digest::of)))
          .doesNotHaveDuplicates();
    }
  }

  /**
   * What a wrong parameter makes of a slot is seen from its embeddings on, and there in no other.
   */
  @Test
  void shouldShowWhichSlotsAMachineComputesWrongly() throws Exception {
    SmallRun run = new SmallRun(Training.UNIFIED, Frozen.NOTHING, ONE_POOL, 0.2, 2, 32);
    try (Trio trio = new Trio(run)) {
      Map<Integer, SlotDigest> right = bySlot(trio.compute(ORDERS.get(0), Recompute.ALL_SHOWN));
      trio.devices.get(1).write("encoder.layer.0.attention.self.query.bias", 0, floats(1.5f));
      Map<Integer, SlotDigest> wrong = bySlot(trio.compute(ORDERS.get(0), Recompute.ALL_SHOWN));
      for (int slot : right.keySet()) {
        boolean isItsOwn = slot == 2;
        assertThat(wrong.get(slot).embeddings() == right.get(slot).embeddings())
            .as("embeddings of slot " + slot)
            .isEqualTo(!isItsOwn);
        for (SlotDigest.Stage later :
            List.of(SlotDigest.Stage.LOSS, SlotDigest.Stage.UPSTREAM, SlotDigest.Stage.GRADIENT)) {
          assertThat(wrong.get(slot).of(later))
              .as(later + " of slot " + slot)
              .isNotEqualTo(right.get(slot).of(later));
        }
      }
    }
  }

  @Test
  void shouldKeepNothingOfAStepThatIsComputedAgain() throws Exception {
    SmallRun run = run(Training.DENSE);
    try (Trio trio = new Trio(run)) {
      int all =
          run.batch(STEP, ROWS).slots().stream().mapToInt(slot -> slot.microBatches().length).sum();
      List<StepResult> first = trio.compute(ORDERS.get(0), Recompute.MISSING);
      assertThat(trio.encoded.getAndSet(0)).isEqualTo(all);
      List<StepResult> kept = trio.compute(ORDERS.get(0), Recompute.MISSING);
      assertThat(trio.encoded.getAndSet(0)).as("encoded again, though all is kept").isZero();
      List<StepResult> again = trio.compute(ORDERS.get(1), Recompute.ALL);
      assertThat(trio.encoded.getAndSet(0)).isEqualTo(all);
      for (List<StepResult> other : List.of(kept, again)) {
        assertThat(other).extracting(StepResult::checksum).containsOnly(first.get(0).checksum());
        assertThat(other).allSatisfy(result -> assertThat(result.digests()).isEmpty());
      }
    }
  }

  private static FloatBuffer floats(float value) {
    return FloatBuffer.wrap(new float[] {value});
  }

  private static Map<Integer, SlotDigest> bySlot(List<StepResult> results) {
    Map<Integer, SlotDigest> all = new TreeMap<>();
    results.forEach(result -> result.digests().forEach(digest -> all.put(digest.slot(), digest)));
    return all;
  }

  private static SmallRun run(Training kind) {
    return new SmallRun(kind, Frozen.NOTHING, POOLS, 0.2, 2, 32);
  }

  /** Three devices that meet again and again in one step. */
  private static final class Trio implements AutoCloseable {
    private final SmallRun run;
    private final Members members;
    private final List<StepCompute> devices = new ArrayList<>();
    private final AtomicInteger encoded = new AtomicInteger();
    private int generation;

    Trio(SmallRun run) throws Exception {
      this.run = run;
      this.members = Members.connected(ORDERS.size());
      for (int m = 0; m < ORDERS.size(); m++) {
        devices.add(run.device(2, KEEPS_ALL, new Encodings()));
      }
    }

    private final class Encodings implements Trace {
      @Override
      public Span begin(String what) {
        if (what.equals("encode")) {
          encoded.incrementAndGet();
        }
        return () -> {};
      }

      @Override
      public void close() {}
    }

    /** By device, whatever its place. */
    List<StepResult> compute(List<Integer> order, Recompute recompute) throws Exception {
      generation++;
      SmallRun.Batch batch = run.batch(STEP, ROWS);
      return members.all(
          m -> {
            int place = order.indexOf(m);
            List<SlotBatch> own =
                batch.slots().stream()
                    .filter(s -> s.slot() >= BOUNDS[place] && s.slot() < BOUNDS[place + 1])
                    .toList();
            try (Exchange exchange = members.connect(m, order, generation)) {
              return devices.get(m).compute(batch.header(), own, exchange, BOUNDS, recompute);
            }
          });
    }

    @Override
    public void close() {
      members.close();
      devices.forEach(StepCompute::close);
    }
  }
}
