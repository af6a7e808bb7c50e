package org.dunlin.coordinator.ledger;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.dunlin.data.feed.PlannedStep;
import org.dunlin.protocol.ledger.LedgerRecord.Header;

/**
 * Proves that each sample of an epoch counted exactly once: give it every committed step, then ask
 * for the {@link #verdict}. Pure.
 *
 * <p>With the plan it proves that each step used the plan's samples and no others. Without it, from
 * the ledger alone, it proves that no step and no sample is there twice and that a whole epoch has
 * as many samples as its header says, but not that they are the right ones. A sample is a row of
 * the data: two rows with equal texts are two samples. A step whose update was skipped, because its
 * gradient was not finite, has used its samples like any other.
 */
public final class LedgerProof {
  /**
   * The run's plan.
   *
   * @param rows that an epoch uses, each once
   * @param steps from step 0 on, at least as many as are committed
   */
  public record Plan(BitSet rows, Iterator<PlannedStep> steps) {}

  /**
   * One epoch's tally.
   *
   * @param epoch from 0
   * @param steps committed
   * @param counted samples of those, repeated ones too
   * @param unused samples that an epoch uses and these steps did not
   * @param doubled samples that were counted again, each time
   * @param whole whether the epoch is over, so that {@code unused} ones are missing
   */
  public record Epoch(
      int epoch, long steps, long counted, long unused, long doubled, boolean whole) {}

  /**
   * What is proven.
   *
   * @param epochs ascending
   * @param steps committed
   * @param fault the first thing that does not hold, in a sentence; empty: proven
   */
  public record Verdict(List<Epoch> epochs, long steps, Optional<String> fault) {
    /** Samples of all epochs together. */
    public long samples() {
      return epochs.stream().mapToLong(Epoch::counted).sum();
    }
  }

  private static final class Tally {
    private final BitSet seen = new BitSet();
    private long steps;
    private long counted;
    private long doubled;
    private long different;
  }

  private final Header header;
  private final Optional<Plan> plan;
  private final TreeMap<Integer, Tally> epochs = new TreeMap<>();
  private Optional<String> fault = Optional.empty();
  private long next;
  private long planned;
  private long steps;

  public LedgerProof(Header header, Optional<Plan> plan) {
    this.header = header;
    this.plan = plan;
  }

  /** Takes the next committed step, in the order of the ledger. */
  public void add(CommittedStep step) {
    if (step.step() > next) {
      fault("step %d is missing: step %d follows in its place".formatted(next, step.step()));
    } else if (step.step() < next) {
      fault("step %d is committed again, after step %d".formatted(step.step(), next - 1));
    }
    if (step.step() >= header.steps()) {
      fault("step %d is committed (expected: 0 to %d)".formatted(step.step(), header.steps() - 1));
    }
    checkEpoch(step);
    compare(step);
    count(step);
    next = Math.max(next, step.step() + 1);
    steps++;
  }

  // An epoch that is left out is found here, so that the tally need not list a billion of them.
  private void checkEpoch(CommittedStep step) {
    int newest = epochs.isEmpty() ? -1 : epochs.lastKey();
    if (step.epoch() < Math.max(newest, 0) || step.epoch() > newest + 1) {
      fault(
          "step %d is of epoch %d (expected: %s)"
              .formatted(
                  step.step(),
                  step.epoch(),
                  newest < 0 ? "0, the first" : newest + " or the next"));
    }
  }

  private void compare(CommittedStep step) {
    if (plan.isEmpty() || step.step() < planned || fault.isPresent()) {
      return; // a fault may have put the plan and the ledger out of step
    }
    PlannedStep expected = plan.get().steps().next();
    planned++;
    if (expected.epoch() != step.epoch()) {
      fault(
          "step %d is of epoch %d (expected: %d, by the plan)"
              .formatted(step.step(), step.epoch(), expected.epoch()));
    }
    long[] ids = step.sampleIds();
    for (int place = 0; place < Math.min(ids.length, expected.sampleIds().length); place++) {
      if (ids[place] != expected.sampleIds()[place]) {
        fault(
            "step %d used sample %d at place %d (expected: sample %d, by the plan)"
                .formatted(step.step(), ids[place], place, expected.sampleIds()[place]));
      }
    }
    if (ids.length != expected.sampleIds().length) {
      fault(
          "step %d used %d samples (expected: %d, by the plan)"
              .formatted(step.step(), ids.length, expected.sampleIds().length));
    }
  }

  private void count(CommittedStep step) {
    Tally tally = epochs.computeIfAbsent(step.epoch(), epoch -> new Tally());
    tally.steps++;
    tally.counted += step.sampleIds().length;
    for (long id : step.sampleIds()) {
      if (id < 0 || id >= header.rows()) {
        fault(
            "step %d used sample %d (expected: 0 to %d, the rows of the data)"
                .formatted(step.step(), id, header.rows() - 1));
      } else if (tally.seen.get((int) id)) {
        tally.doubled++;
        fault("step %d used sample %d again in epoch %d".formatted(step.step(), id, step.epoch()));
      } else {
        tally.seen.set((int) id);
        tally.different++;
      }
    }
    if (tally.different > header.rowsPerEpoch()) {
      fault(
          "epoch %d has used %d samples after step %d (expected: at most %d)"
              .formatted(step.epoch(), tally.different, step.step(), header.rowsPerEpoch()));
    }
  }

  /** What the steps so far prove. */
  public Verdict verdict() {
    List<Epoch> tallied = new ArrayList<>();
    Optional<String> missing = Optional.empty();
    for (Map.Entry<Integer, Tally> entry : epochs.entrySet()) {
      Epoch epoch = epoch(entry.getKey(), entry.getValue());
      tallied.add(epoch);
      if (missing.isEmpty() && epoch.whole() && epoch.unused() > 0) {
        missing = Optional.of(missing(epoch, entry.getValue()));
      }
    }
    return new Verdict(
        List.copyOf(tallied),
        steps,
        Stream.of(fault, missing).flatMap(Optional::stream).findFirst());
  }

  private Epoch epoch(int number, Tally tally) {
    long unused =
        plan.isPresent()
            ? unused(tally).cardinality()
            : Math.max(0, header.rowsPerEpoch() - tally.different);
    boolean whole = number < epochs.lastKey() || unused == 0;
    return new Epoch(number, tally.steps, tally.counted, unused, tally.doubled, whole);
  }

  private BitSet unused(Tally tally) {
    BitSet unused = (BitSet) plan.orElseThrow().rows().clone();
    unused.andNot(tally.seen);
    return unused;
  }

  private String missing(Epoch epoch, Tally tally) {
    return plan.isPresent()
        ? "epoch %d ended without %d of its samples, the first of them %d"
            .formatted(epoch.epoch(), epoch.unused(), unused(tally).nextSetBit(0))
        : "epoch %d ended with %d samples (expected: %d)"
            .formatted(epoch.epoch(), tally.different, header.rowsPerEpoch());
  }

  private void fault(String sentence) {
    if (fault.isEmpty()) {
      fault = Optional.of(sentence);
    }
  }
}
