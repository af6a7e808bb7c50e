package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntSupplier;
import java.util.stream.Stream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Members;
import org.dunlin.worker.collective.Partial;
import org.dunlin.worker.collective.RowSet;
import org.dunlin.worker.collective.SummationTree;
import org.dunlin.worker.step.SmallRun.Training;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * All heads and losses, with dropout, gradient accumulation and frozen parts: neither the cut into
 * micro-batches nor what is computed twice, neither threads nor members change what is trained.
 */
class SameGradientTest {
  private static final double DROPOUT = 0.2;
  private static final int GROUP = 2;
  private static final int HIDDEN = 32;
  private static final long STEPS = 2;
  private static final int ROWS = 6;
  private static final long ALL = Long.MAX_VALUE / 4;

  /** Three batches of unlike size in a step. */
  private static final int[] POOLS = {0, 5, 6, 13};

  private static final int[] ONE_POOL = {0, 13};
  private static final Memory KEEPS_ALL = new Memory(false, ALL);
  private static final int[] ALONE = {0, SmallRun.SLOTS};

  /** Everything that must be the same: bits of gradients, losses and weights. */
  private record Trained(
      List<Long> checksums, List<Double> losses, Map<String, float[]> parameters) {
    void assertEquals(Trained other, String how) {
      assertThat(other.checksums()).as("checksums, " + how).isEqualTo(checksums);
      assertThat(other.losses()).as("losses, " + how).isEqualTo(losses);
      parameters.forEach(
          (name, values) ->
              assertThat(other.parameters().get(name)).as(name + ", " + how).isEqualTo(values));
    }
  }

  @ParameterizedTest
  @EnumSource(Training.class)
  void shouldGiveTheSameBitsWhateverIsComputedTwice(Training kind) throws Exception {
    SmallRun run = run(kind, Frozen.NOTHING, ONE_POOL);
    Trained whole = train(run, KEEPS_ALL, 2, ALONE);
    assertThat(whole.checksums()).doesNotHaveDuplicates();
    for (Memory memory :
        List.of(
            new Memory(false, 0),
            new Memory(false, 1 << 20), // some of the graphs
            new Memory(true, ALL),
            new Memory(true, 100_000), // some of the states
            new Memory(true, 0))) {
      whole.assertEquals(train(run, memory, 2, ALONE), memory.toString());
    }
  }

  static Stream<Frozen> frozen() {
    return Stream.of(Frozen.POSITIONS, Frozen.ENCODER);
  }

  @ParameterizedTest
  @MethodSource("frozen")
  void shouldLeaveFrozenPartsAloneAndTrainTheRestAlike(Frozen frozen) throws Exception {
    SmallRun run = run(Training.SELF_DISTILLED, frozen, POOLS);
    Map<String, float[]> before;
    try (StepCompute device = run.device(1)) {
      before = SmallRun.parameters(device);
    }
    Trained whole = train(run, KEEPS_ALL, 2, ALONE);
    before.forEach(
        (name, values) -> {
          boolean isHead = name.startsWith("colbert_linear") || name.startsWith("sparse_linear");
          boolean stays = frozen == Frozen.ENCODER ? !isHead : name.contains("position_embeddings");
          assertThat(Arrays.equals(whole.parameters().get(name), values)).as(name).isEqualTo(stays);
        });
    for (Memory memory : List.of(new Memory(false, 0), new Memory(true, ALL))) {
      whole.assertEquals(train(run, memory, 2, ALONE), memory.toString());
    }
    whole.assertEquals(train(run, KEEPS_ALL, 1, new int[] {0, 1, 4}), "two members");
  }

  @ParameterizedTest
  @EnumSource(Training.class)
  void shouldGiveTheSameGradientForAnyCutIntoMicroBatches(Training kind) {
    SmallRun run = run(kind, Frozen.NOTHING, POOLS);
    try (StepCompute device = run.device(2, KEEPS_ALL);
        StepCompute saving = run.device(2, new Memory(true, 0))) {
      StepResult whole = run.compute(device, 1, 100);
      Map<String, float[]> gradient = gradient(device);
      assertThat(norm(gradient.get("embeddings.word_embeddings.weight"))).isPositive();
      for (StepCompute other : List.of(device, saving)) {
        for (int rows : new int[] {1, 3, 5}) {
          StepResult cut = run.compute(other, 1, rows);
          assertThat(sum(cut)).isCloseTo(sum(whole), within(2e-6));
          Map<String, float[]> found = gradient(other);
          double scale = cut.gradientNorm();
          gradient.forEach(
              (name, values) ->
                  assertThat(distance(values, found.get(name)) / scale)
                      .as(name + ", micro-batches of " + rows)
                      .isLessThan(1e-5));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Training.class)
  void shouldGiveTheSameBitsOnAnyThreadsAndMembers(Training kind) throws Exception {
    SmallRun run = run(kind, Frozen.NOTHING, POOLS);
    Trained alone = train(run, KEEPS_ALL, 1, ALONE);
    for (int threads : List.of(2, 3)) {
      alone.assertEquals(train(run, KEEPS_ALL, threads, ALONE), threads + " threads");
    }
    for (int[] bounds : List.of(new int[] {0, 2, 4}, new int[] {0, 1, 4}, new int[] {0, 1, 3, 4})) {
      alone.assertEquals(train(run, KEEPS_ALL, 2, bounds), Arrays.toString(bounds));
    }
    alone.assertEquals(train(run, new Memory(true, 0), 1, new int[] {0, 3, 4}), "saving, members");
  }

  /** Slots 1 and 2 are no siblings in the tree, so a member that has both sums nothing. */
  @ParameterizedTest
  @EnumSource(Training.class)
  void shouldGiveASlotTheSameGradientOnAnyMember(Training kind) throws Exception {
    SmallRun run = run(kind, Frozen.NOTHING, POOLS);
    Map<Integer, float[]> apart = slotGradients(run, new int[] {0, 1, 2, 3, 4});
    Map<Integer, float[]> beside = slotGradients(run, new int[] {0, 1, 3, 4});
    assertThat(apart).hasSize(SmallRun.SLOTS);
    assertThat(beside).hasSize(SmallRun.SLOTS);
    apart.forEach((node, values) -> assertThat(beside.get(node)).isEqualTo(values));
    assertThat(apart.get(4)).isNotEqualTo(apart.get(5));
  }

  private static SmallRun run(Training kind, Frozen frozen, int[] pools) {
    return new SmallRun(kind, frozen, pools, DROPOUT, GROUP, HIDDEN);
  }

  /** Trains for some steps on members that own the slots between these bounds. */
  private static Trained train(SmallRun run, Memory memory, int threads, int[] bounds)
      throws Exception {
    int count = bounds.length - 1;
    if (count == 1) {
      return member(run, memory, threads, bounds, new Alone());
    }
    try (Members members = Members.connected(count)) {
      List<Trained> all =
          members.all(m -> member(run, memory, threads, bounds, members.exchange(m)));
      List<Double> losses = new ArrayList<>();
      for (int step = 0; step < STEPS; step++) {
        for (int m = 0; m < count; m++) {
          int own = bounds[m + 1] - bounds[m];
          losses.addAll(all.get(m).losses().subList(step * own, (step + 1) * own));
        }
      }
      for (Trained member : all) {
        new Trained(member.checksums(), List.of(), member.parameters())
            .assertEquals(
                new Trained(all.get(0).checksums(), List.of(), all.get(0).parameters()),
                "another member");
      }
      return new Trained(all.get(0).checksums(), losses, all.get(0).parameters());
    }
  }

  private static Trained member(
      SmallRun run, Memory memory, int threads, int[] bounds, Exchange exchange) {
    List<Long> checksums = new ArrayList<>();
    List<Double> losses = new ArrayList<>();
    try (StepCompute device = run.device(threads, memory)) {
      for (long step = 0; step < STEPS; step++) {
        StepResult result = compute(run, device, step, bounds, exchange);
        checksums.add(result.checksum());
        Arrays.stream(result.slotLosses()).forEach(losses::add);
        device.apply(step);
      }
      return new Trained(checksums, losses, SmallRun.parameters(device));
    }
  }

  private static StepResult compute(
      SmallRun run, StepCompute device, long step, int[] bounds, Exchange exchange) {
    SmallRun.Batch batch = run.batch(step, ROWS);
    int first = bounds[exchange.member()];
    int end = bounds[exchange.member() + 1];
    List<SlotBatch> own =
        batch.slots().stream().filter(s -> s.slot() >= first && s.slot() < end).toList();
    return device.compute(batch.header(), own, exchange, bounds);
  }

  /** By leaf of the tree: what each slot's owner brings to the sum of gradients. */
  private static Map<Integer, float[]> slotGradients(SmallRun run, int[] bounds) throws Exception {
    try (Members members = Members.connected(bounds.length - 1)) {
      Map<Integer, float[]> all = new HashMap<>();
      List<Map<Integer, float[]>> each =
          members.all(
              m -> {
                Recording recording = new Recording(members.exchange(m));
                try (StepCompute device = run.device(1)) {
                  compute(run, device, 1, bounds, recording);
                }
                return recording.seen;
              });
      each.forEach(all::putAll);
      return all;
    }
  }

  /** Notes the partial sums of gradients that a member hands in. */
  private static final class Recording implements Exchange {
    private final Exchange inner;
    private final Map<Integer, float[]> seen = new HashMap<>();

    Recording(Exchange inner) {
      this.inner = inner;
    }

    @Override
    public int member() {
      return inner.member();
    }

    @Override
    public int members() {
      return inner.members();
    }

    @Override
    public void allGather(
        long step, Kind kind, FloatBuffer whole, int[] bounds, IntSupplier filled) {
      inner.allGather(step, kind, whole, bounds, filled);
    }

    @Override
    public void allGather(long step, Kind kind, ByteBuffer whole, int[] bounds) {
      inner.allGather(step, kind, whole, bounds);
    }

    @Override
    public void reduceScatter(
        long step,
        Kind kind,
        SummationTree tree,
        List<Partial<FloatBuffer>> partials,
        int[] bounds,
        FloatBuffer sum) {
      if (kind == Kind.GRADIENTS) {
        for (Partial<FloatBuffer> partial : partials) {
          float[] values = new float[partial.block().capacity()];
          partial.block().get(0, values);
          seen.put(partial.node(), values);
        }
      }
      inner.reduceScatter(step, kind, tree, partials, bounds, sum);
    }

    @Override
    public RowSet allReduceRows(
        long step, Kind kind, SummationTree tree, List<Partial<RowSet>> partials, int width) {
      return inner.allReduceRows(step, kind, tree, partials, width);
    }

    @Override
    public boolean isClosed() {
      return inner.isClosed();
    }

    @Override
    public void close() {
      inner.close();
    }
  }

  private static Map<String, float[]> gradient(StepCompute device) {
    Map<String, float[]> all = new LinkedHashMap<>();
    device
        .parameters()
        .keySet()
        .forEach(name -> all.put(name, device.gradient(name).orElseThrow()));
    return all;
  }

  private static double sum(StepResult result) {
    return Arrays.stream(result.slotLosses()).sum();
  }

  private static double norm(float[] values) {
    return distance(values, new float[values.length]);
  }

  private static double distance(float[] left, float[] right) {
    double sum = 0;
    for (int i = 0; i < left.length; i++) {
      sum += ((double) left[i] - right[i]) * ((double) left[i] - right[i]);
    }
    return Math.sqrt(sum);
  }
}
