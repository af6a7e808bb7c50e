package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.reflect.Proxy;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.ComputeSpec.Reduction;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Members;
import org.dunlin.worker.collective.Parting;
import org.dunlin.worker.engine.Abandoned;
import org.dunlin.worker.step.SmallRun.Training;
import org.dunlin.worker.trace.Trace;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Members die in the middle of a step; the others go on in the next generation, to the same bits,
 * and nothing that they had done is done again.
 */
class GoingOnTest {
  private static final int ROWS = 3;
  private static final int[] POOLS = {0, 5, 6, 13};
  private static final long ALL = Long.MAX_VALUE / 4;
  private static final int STEPS = 2;

  /** A member's death, seen by itself. */
  private static final class Killed extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** Counts what a device begins, and kills it at one of these moments. */
  private static final class Moments implements Trace {
    private final Map<String, AtomicInteger> begun = new ConcurrentHashMap<>();
    private final AtomicInteger moment = new AtomicInteger();
    private volatile int last = Integer.MAX_VALUE;
    private volatile Runnable death = () -> {};

    void killAt(int number, Runnable then) {
      death = then;
      last = moment.get() + number;
    }

    int of(String what) {
      return begun.computeIfAbsent(what, name -> new AtomicInteger()).get();
    }

    int all() {
      return moment.get();
    }

    @Override
    public Span begin(String what) {
      int now = moment.getAndIncrement();
      if (now == last) {
        death.run();
      }
      if (now >= last) {
        throw new Killed();
      }
      begun.computeIfAbsent(what, name -> new AtomicInteger()).incrementAndGet();
      return () -> {};
    }

    @Override
    public void close() {}
  }

  /** What must be the same. */
  private record Trained(
      List<Long> checksums, List<Double> losses, Map<String, float[]> parameters) {}

  record Case(Training kind, Memory memory, int threads) {}

  static Stream<Case> cases() {
    return Stream.of(
        new Case(Training.DENSE, new Memory(false, ALL), 1),
        new Case(Training.SELF_DISTILLED, new Memory(false, 0), 2),
        new Case(Training.UNIFIED_WITH_TEACHER, new Memory(false, 1 << 20), 2),
        new Case(Training.DENSE_WITH_TEACHER, new Memory(true, ALL), 3));
  }

  /** Every few moments of a step: encoding, gathering, loss, backward pass and sum. */
  @ParameterizedTest
  @MethodSource("cases")
  void shouldComputeOnlyTheDeadShareAgainWheneverAMemberDies(Case how) throws Exception {
    SmallRun run = run(how.kind());
    Trained calm = calm(run, how);
    int moments = momentsOfAStep(run, how, 3);
    assertThat(moments).isGreaterThan(8);
    for (int moment = 1 + how.threads() % 3; moment <= moments; moment += 3) {
      try (Group group = new Group(run, how, 3)) {
        group.step(0);
        group.stepWithDeath(1, moment / 3 % 3, moment, moment % 2 == 0);
        group.assertEquals(calm, "killed at moment " + moment);
        group.assertNothingTwice(run, STEPS, "killed at moment " + moment);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void shouldGoOnAfterDeathsAtRandomMoments(long seed) throws Exception {
    SplittableRandom random = new SplittableRandom(seed);
    List<Case> all = cases().toList();
    Case how = all.get(random.nextInt(all.size()));
    SmallRun run = run(how.kind());
    int members = 3 + random.nextInt(2);
    int moments = momentsOfAStep(run, how, members);
    try (Group group = new Group(run, how, members)) {
      group.step(0);
      int deaths = 1 + random.nextInt(members - 1);
      for (int death = 0; death < deaths; death++) {
        int moment = 1 + random.nextInt(moments);
        boolean atOnce = random.nextBoolean();
        if (!group.dies(1, random.nextInt(group.alive()), moment, atOnce)) {
          break;
        }
      }
      group.finish(1);
      group.assertEquals(calm(run, how), "seed " + seed);
      group.assertNothingTwice(run, STEPS, "seed " + seed);
    }
  }

  /** Nothing of a slot is good any more if it is cut into other micro-batches. */
  @Test
  void shouldBeginASlotAnewThatWasCutAnew() throws Exception {
    Case how = new Case(Training.UNIFIED_WITH_TEACHER, new Memory(false, ALL), 2);
    SmallRun run = run(how.kind());
    int moments = momentsOfAStep(run, how, 2);
    SmallRun.Batch old = run.batch(0, ROWS);
    List<SlotBatch> cut = new ArrayList<>(old.slots());
    cut.set(1, run.batch(0, ROWS + 2).slots().get(1));
    StepResult calm;
    try (StepCompute device = run.device(1)) {
      calm = device.compute(old.header(), cut, new Alone(), new int[] {0, SmallRun.SLOTS});
    }
    for (int moment = 1; moment <= moments; moment += 5) {
      try (Group group = new Group(run, how, 3)) {
        group.dies(0, 2, moment, true);
        group.slots = cut;
        List<StepResult> results = group.finish(0);
        assertThat(results)
            .as("killed at moment " + moment)
            .allSatisfy(result -> assertThat(result.checksum()).isEqualTo(calm.checksum()));
      }
    }
  }

  /** Where each member sums its own slots first, bits depend on the members; the sum does not. */
  @Test
  void shouldGoOnWhereMembersSumTheirOwnFirst() throws Exception {
    Case how = new Case(Training.DENSE, new Memory(false, ALL), 2);
    ComputeSpec fast = new ComputeSpec(Precision.FP32, false, Reduction.FAST);
    SmallRun run = run(how.kind()).with(HeadSpec.DENSE, 0.05, fast);
    Trained calm = calm(run, how);
    double norm;
    try (StepCompute device = run.device(1)) {
      norm = run.compute(device, 0, ROWS).gradientNorm();
    }
    int moments = momentsOfAStep(run, how, 3);
    for (int moment = 1; moment <= moments; moment += 3) {
      try (Group group = new Group(run, how, 3)) {
        group.dies(0, moment % 3, moment, moment % 2 == 0);
        List<StepResult> results = group.finish(0);
        assertThat(results).hasSize(2);
        assertThat(results.get(0).gradientNorm()).isCloseTo(norm, within(1e-5 * norm));
        assertThat(group.losses).isEqualTo(calm.losses().subList(0, group.losses.size()));
      }
    }
  }

  /**
   * One that holds another sum than the others says so by its checksum; summed again it is right.
   */
  @ParameterizedTest
  @MethodSource("cases")
  void shouldHaveTheRightSumTheSecondTimeWhenABitFlippedInOneMembersMemory(Case how)
      throws Exception {
    SmallRun run = run(how.kind());
    Trained calm = calm(run, how);
    try (Group group = new Group(run, how, 3)) {
      group.step(0);
      group.flipABitOf(how.threads() % 3);
      List<Long> found =
          group.computeAll(1).stream().map(each -> each.orElseThrow().checksum()).toList();
      assertThat(found).filteredOn(calm.checksums().get(1)::equals).hasSize(2);
      group.meetAnew();
      group.finish(1);
      group.assertEquals(calm, "after a bit flipped");
      group.assertNothingTwice(run, STEPS, "after a bit flipped");
    }
  }

  private static SmallRun run(Training kind) {
    return new SmallRun(kind, Frozen.NOTHING, POOLS, 0.2, 2, 32);
  }

  private static Trained calm(SmallRun run, Case how) {
    try (StepCompute device = run.device(how.threads(), how.memory())) {
      List<Long> checksums = new ArrayList<>();
      List<Double> losses = new ArrayList<>();
      for (long step = 0; step < STEPS; step++) {
        StepResult result = run.compute(device, step, ROWS);
        checksums.add(result.checksum());
        Arrays.stream(result.slotLosses()).forEach(losses::add);
        device.apply(step);
      }
      return new Trained(checksums, losses, SmallRun.parameters(device));
    }
  }

  /** The most of any member. */
  private static int momentsOfAStep(SmallRun run, Case how, int members) throws Exception {
    try (Group group = new Group(run, how, members)) {
      group.step(0);
      int[] before = group.moments.stream().mapToInt(Moments::all).toArray();
      group.step(1);
      return IntStream.range(0, members)
          .map(m -> group.moments.get(m).all() - before[m])
          .max()
          .orElseThrow();
    }
  }

  /** Members and their generations. */
  private static final class Group implements AutoCloseable {
    private final SmallRun run;
    private final Members members;
    private final List<Moments> moments = new ArrayList<>();
    private final List<StepCompute> devices = new ArrayList<>();
    private final List<Integer> living = new ArrayList<>();
    private final List<Exchange> opened = new ArrayList<>();
    private final List<Long> checksums = new ArrayList<>();
    private final List<Double> losses = new ArrayList<>();
    private List<Exchange> exchanges;
    private List<SlotBatch> slots = List.of(); // if others than the run's
    private int generation;

    Group(SmallRun run, Case how, int count) throws Exception {
      this.run = run;
      this.members = Members.connected(count);
      for (int m = 0; m < count; m++) {
        moments.add(new Moments());
        devices.add(run.device(how.threads(), how.memory(), moments.get(m)));
        living.add(m);
      }
      this.exchanges = IntStream.range(0, count).mapToObj(members::exchange).toList();
    }

    int alive() {
      return living.size();
    }

    private int[] bounds() {
      int[] bounds = new int[alive() + 1];
      for (int m = 0; m < bounds.length; m++) {
        bounds[m] = SmallRun.SLOTS * m / alive();
      }
      return bounds;
    }

    private Optional<StepResult> compute(long step, int member) {
      int place = living.indexOf(member);
      int[] bounds = bounds();
      SmallRun.Batch batch = run.batch(step, ROWS);
      List<SlotBatch> own =
          (slots.isEmpty() ? batch.slots() : slots)
              .stream()
                  .filter(s -> s.slot() >= bounds[place] && s.slot() < bounds[place + 1])
                  .toList();
      try {
        return Optional.of(
            devices.get(member).compute(batch.header(), own, exchanges.get(place), bounds));
      } catch (Killed e) {
        exchanges.get(place).close();
        return Optional.empty();
      } catch (Parting | Abandoned e) {
        return Optional.empty();
      }
    }

    private List<Optional<StepResult>> computeAll(long step) throws Exception {
      return members.all(m -> living.contains(m) ? compute(step, m) : Optional.empty());
    }

    void step(long step) throws Exception {
      applied(step, computeAll(step));
    }

    /** Whether one is left to go on with the step, which the others have begun. */
    boolean dies(long step, int place, int moment, boolean atOnce) throws Exception {
      int victim = living.get(place);
      List<Exchange> all = exchanges;
      moments
          .get(victim)
          .killAt(
              moment,
              () -> {
                if (atOnce) {
                  all.forEach(Exchange::close); // as if all heard of it at once
                } else {
                  all.get(place).close();
                }
              });
      computeAll(step);
      living.remove(Integer.valueOf(victim));
      meetAnew();
      return alive() > 1;
    }

    /** From now on once, in what one member has of the reduced gradient. */
    void flipABitOf(int member) {
      Exchange exact = exchanges.get(member);
      Exchange flipping =
          (Exchange)
              Proxy.newProxyInstance(
                  Exchange.class.getClassLoader(),
                  new Class<?>[] {Exchange.class},
                  (proxy, method, arguments) -> {
                    Object result = method.invoke(exact, arguments);
                    if (method.getName().equals("allGather")
                        && arguments[1] == Exchange.Kind.GRADIENTS) {
                      FloatBuffer sum = (FloatBuffer) arguments[2];
                      sum.put(7, Float.intBitsToFloat(Float.floatToRawIntBits(sum.get(7)) ^ 1));
                    }
                    return result;
                  });
      exchanges = new ArrayList<>(exchanges);
      exchanges.set(member, flipping);
    }

    void meetAnew() throws Exception {
      exchanges.forEach(Exchange::close);
      generation++;
      if (alive() == 1) {
        exchanges = List.of(new Alone());
      } else {
        exchanges =
            members
                .all(
                    m ->
                        living.contains(m)
                            ? Optional.of(members.connect(m, living, generation))
                            : Optional.<Exchange>empty())
                .stream()
                .flatMap(Optional::stream)
                .toList();
      }
      opened.addAll(exchanges);
    }

    void stepWithDeath(long step, int place, int moment, boolean atOnce) throws Exception {
      dies(step, place, moment, atOnce);
      finish(step);
    }

    List<StepResult> finish(long step) throws Exception {
      return applied(step, computeAll(step));
    }

    private List<StepResult> applied(long step, List<Optional<StepResult>> results)
        throws Exception {
      List<StepResult> all = living.stream().map(m -> results.get(m).orElseThrow()).toList();
      assertThat(all).extracting(StepResult::checksum).containsOnly(all.get(0).checksum());
      checksums.add(all.get(0).checksum());
      all.forEach(result -> Arrays.stream(result.slotLosses()).forEach(losses::add));
      living.forEach(m -> devices.get(m).apply(step));
      return all;
    }

    void assertEquals(Trained calm, String how) {
      assertThat(checksums).as("checksums, " + how).isEqualTo(calm.checksums());
      assertThat(losses).as("losses, " + how).isEqualTo(calm.losses());
      for (int m : living) {
        Map<String, float[]> found = SmallRun.parameters(devices.get(m));
        calm.parameters()
            .forEach(
                (name, values) ->
                    assertThat(found.get(name)).as(name + ", " + how).isEqualTo(values));
      }
    }

    /**
     * Of the last step the living ones have encoded every micro-batch once, all generations taken
     * together, and have taken it back once; of those before, their own.
     */
    void assertNothingTwice(SmallRun run, int steps, String how) {
      int last = micro(run.batch(steps - 1L, ROWS).slots(), slot -> true);
      int before =
          living.stream()
              .mapToInt(
                  m ->
                      micro(
                          run.batch(0, ROWS).slots(),
                          slot ->
                              slot >= SmallRun.SLOTS * m / devices.size()
                                  && slot < SmallRun.SLOTS * (m + 1) / devices.size()))
              .sum();
      for (String what : List.of("encode", "backward")) {
        assertThat(living.stream().mapToInt(m -> moments.get(m).of(what)).sum())
            .as(what + ", " + how)
            .isEqualTo(before + last);
      }
    }

    private static int micro(List<SlotBatch> slots, IntPredicate which) {
      return slots.stream()
          .filter(slot -> which.test(slot.slot()))
          .mapToInt(slot -> slot.microBatches().length)
          .sum();
    }

    @Override
    public void close() {
      opened.forEach(Exchange::close);
      members.close();
      devices.forEach(StepCompute::close);
    }
  }
}
