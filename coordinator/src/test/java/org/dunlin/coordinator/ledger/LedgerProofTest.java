package org.dunlin.coordinator.ledger;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.dunlin.coordinator.ledger.LedgerProof.Epoch;
import org.dunlin.coordinator.ledger.LedgerProof.Plan;
import org.dunlin.coordinator.ledger.LedgerProof.Verdict;
import org.dunlin.data.feed.PlannedStep;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.ledger.LedgerRecord.Header;
import org.junit.jupiter.api.Test;

/** A run as planned is proven, whole or not; whatever is missing, doubled or foreign is found. */
class LedgerProofTest {
  private static final int ROWS = 50;
  private static final int USED = 43; // the plan leaves out the rows from 43 on
  private static final int PAIRS = 4; // 11 steps an epoch, the last one of 3
  private static final int STEPS_OF_EPOCH = 11;
  private static final int STEPS = 30;
  private static final Header HEADER =
      new Header("run", new Term(1), STEPS, ROWS, USED, "data", "weights");

  @Property(tries = 100)
  void provesAnyBeginningOfARunAsPlanned(
      @ForAll long seed, @ForAll @IntRange(max = STEPS) int steps, @ForAll boolean withData) {
    List<PlannedStep> plan = plan(seed);
    Verdict verdict = verdict(committed(plan).subList(0, steps), plan, withData);
    assertThat(verdict.fault()).isEmpty();
    assertThat(verdict.steps()).isEqualTo(steps);
    assertThat(verdict.samples())
        .isEqualTo(plan.stream().limit(steps).mapToLong(s -> s.sampleIds().length).sum());
    for (Epoch epoch : verdict.epochs()) {
      assertThat(epoch.doubled()).isZero();
      assertThat(epoch.whole()).isEqualTo(epoch.steps() == STEPS_OF_EPOCH);
      assertThat(epoch.counted() + epoch.unused()).isEqualTo(USED);
    }
  }

  @Property(tries = 100)
  void findsASampleThatIsMissing(
      @ForAll long seed,
      @ForAll @IntRange(max = STEPS - 1) int at,
      @ForAll @IntRange(max = 2) int place) {
    List<PlannedStep> plan = plan(seed);
    List<CommittedStep> steps = committed(plan);
    long[] ids = steps.get(at).sampleIds();
    long[] fewer = new long[ids.length - 1];
    for (int from = 0, to = 0; from < ids.length; from++) {
      if (from != place) {
        fewer[to++] = ids[from];
      }
    }
    steps.set(at, with(steps.get(at), fewer));
    assertThat(verdict(steps, plan, true).fault().orElseThrow())
        .startsWith("step " + at + " used ")
        .endsWith(", by the plan)");
    int epoch = at / STEPS_OF_EPOCH;
    if (epoch < 2) { // of the unfinished one nobody can know it
      Verdict alone = verdict(steps, plan, false);
      assertThat(alone.fault())
          .contains("epoch %d ended with 42 samples (expected: 43)".formatted(epoch));
      assertThat(alone.epochs().get(epoch).unused()).isOne();
    }
  }

  @Property(tries = 100)
  void findsASampleThatIsDoubled(
      @ForAll long seed,
      @ForAll @IntRange(max = STEPS - 1) int at,
      @ForAll @IntRange(max = 2) int place) {
    List<PlannedStep> plan = plan(seed);
    List<CommittedStep> steps = committed(plan);
    int first = at - at % STEPS_OF_EPOCH;
    long[] ids = steps.get(at).sampleIds().clone();
    long again = at == first ? ids[(place + 1) % 3] : steps.get(first).sampleIds()[place];
    ids[place] = again;
    steps.set(at, with(steps.get(at), ids));
    Verdict alone = verdict(steps, plan, false);
    assertThat(alone.fault())
        .contains(
            "step %d used sample %d again in epoch %d".formatted(at, again, at / STEPS_OF_EPOCH));
    assertThat(alone.epochs().get(at / STEPS_OF_EPOCH).doubled()).isOne();
    Verdict whole = verdict(steps, plan, true);
    assertThat(whole.fault().orElseThrow())
        .startsWith("step %d used sample %d at place %d".formatted(at, again, place));
    assertThat(whole.epochs().get(at / STEPS_OF_EPOCH).doubled()).isOne();
  }

  @Property(tries = 100)
  void findsASampleThatIsForeign(
      @ForAll long seed,
      @ForAll @IntRange(max = STEPS - 1) int at,
      @ForAll @IntRange(max = 2) int place,
      @ForAll @IntRange(min = USED, max = ROWS + 5) int foreign) {
    List<PlannedStep> plan = plan(seed);
    List<CommittedStep> steps = committed(plan);
    long[] ids = steps.get(at).sampleIds().clone();
    long right = ids[place];
    ids[place] = foreign;
    steps.set(at, with(steps.get(at), ids));
    assertThat(verdict(steps, plan, true).fault())
        .contains(
            "step %d used sample %d at place %d (expected: sample %d, by the plan)"
                .formatted(at, foreign, place, right));
    if (foreign >= ROWS) {
      assertThat(verdict(steps, plan, false).fault())
          .contains(
              "step %d used sample %d (expected: 0 to 49, the rows of the data)"
                  .formatted(at, foreign));
    }
  }

  @Property(tries = 100)
  void findsTwoStepsThatChangedPlaces(
      @ForAll long seed, @ForAll @IntRange(max = STEPS_OF_EPOCH - 2) int at) {
    List<PlannedStep> plan = plan(seed);
    List<CommittedStep> steps = committed(plan);
    long[] first = steps.get(at).sampleIds();
    steps.set(at, with(steps.get(at), steps.get(at + 1).sampleIds()));
    steps.set(at + 1, with(steps.get(at + 1), first));
    assertThat(verdict(steps, plan, true).fault().orElseThrow()).startsWith("step " + at + " used");
    assertThat(verdict(steps, plan, false).fault()).isEmpty(); // every sample is there once
  }

  @Property(tries = 100)
  void findsAStepThatIsMissing(
      @ForAll long seed, @ForAll @IntRange(max = STEPS - 2) int at, @ForAll boolean withData) {
    List<PlannedStep> plan = plan(seed);
    List<CommittedStep> steps = committed(plan);
    steps.remove(at);
    assertThat(verdict(steps, plan, withData).fault())
        .contains("step %d is missing: step %d follows in its place".formatted(at, at + 1));
  }

  @Property(tries = 100)
  void findsAStepThatIsThereTwice(
      @ForAll long seed, @ForAll @IntRange(max = STEPS - 1) int at, @ForAll boolean withData) {
    List<PlannedStep> plan = plan(seed);
    List<CommittedStep> steps = committed(plan);
    steps.add(at, steps.get(at));
    assertThat(verdict(steps, plan, withData).fault())
        .contains("step %d is committed again, after step %d".formatted(at, at));
  }

  @Test
  void shouldFindAStepBeyondTheRunAndAWrongEpoch() {
    List<PlannedStep> plan = plan(1);
    List<CommittedStep> more = committed(plan);
    more.add(new CommittedStep(STEPS, 2, new Term(1), new Generation(1), 0, new long[0]));
    assertThat(verdict(more, plan, false).fault())
        .contains("step 30 is committed (expected: 0 to 29)");

    List<CommittedStep> wrong = committed(plan);
    CommittedStep last = wrong.get(29);
    wrong.set(29, new CommittedStep(29, 7, last.term(), last.generation(), 0, last.sampleIds()));
    assertThat(verdict(wrong, plan, false).fault())
        .contains("step 29 is of epoch 7 (expected: 2 or the next)");
  }

  @Test
  void shouldFindMoreSamplesThanAnEpochHas() {
    List<PlannedStep> plan = plan(1);
    List<CommittedStep> steps = committed(plan);
    CommittedStep last = steps.get(STEPS_OF_EPOCH - 1);
    long[] more = Arrays.copyOf(last.sampleIds(), last.sampleIds().length + 1);
    more[more.length - 1] = USED; // left out by the plan, but a row of the data
    steps.set(STEPS_OF_EPOCH - 1, with(last, more));
    assertThat(verdict(steps, plan, false).fault())
        .contains("epoch 0 has used 44 samples after step 10 (expected: at most 43)");
    assertThat(verdict(steps, plan, true).fault())
        .contains("step 10 used 4 samples (expected: 3, by the plan)");
  }

  private static Verdict verdict(
      List<CommittedStep> steps, List<PlannedStep> plan, boolean withData) {
    BitSet rows = new BitSet();
    rows.set(0, USED);
    LedgerProof proof =
        new LedgerProof(
            HEADER, withData ? Optional.of(new Plan(rows, plan.iterator())) : Optional.empty());
    steps.forEach(proof::add);
    return proof.verdict();
  }

  private static List<PlannedStep> plan(long seed) {
    Random random = new Random(seed);
    List<PlannedStep> plan = new ArrayList<>();
    for (int epoch = 0; plan.size() < STEPS + 2; epoch++) {
      List<Long> rows =
          IntStream.range(0, USED).mapToObj(row -> (long) row).collect(Collectors.toList());
      Collections.shuffle(rows, random);
      for (int first = 0; first < USED; first += PAIRS) {
        plan.add(
            new PlannedStep(
                epoch,
                rows.subList(first, Math.min(USED, first + PAIRS)).stream()
                    .mapToLong(Long::longValue)
                    .toArray()));
      }
    }
    return plan;
  }

  private static List<CommittedStep> committed(List<PlannedStep> plan) {
    return IntStream.range(0, STEPS)
        .mapToObj(
            step ->
                new CommittedStep(
                    step,
                    plan.get(step).epoch(),
                    new Term(1),
                    new Generation(1),
                    step,
                    plan.get(step).sampleIds()))
        .collect(Collectors.toCollection(ArrayList::new));
  }

  private static CommittedStep with(CommittedStep step, long... ids) {
    return new CommittedStep(
        step.step(), step.epoch(), step.term(), step.generation(), step.checksum(), ids);
  }
}
