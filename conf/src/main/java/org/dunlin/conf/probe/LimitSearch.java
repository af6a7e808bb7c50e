package org.dunlin.conf.probe;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.dunlin.data.plan.MicroBatchCut;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.MicroBatchLimit;

/**
 * Searches limits by length under which every micro-batch of a run fits into memory. Pure.
 *
 * <p>Lengths fall into classes, from a power of two to below the next one. From the longest class
 * down, the most tokens that a class allows are tried in rows of its greatest length, and its limit
 * is halved until they fit, as the record of a run whose memory runs out does. What follows from
 * earlier trials is not tried again: mostly, a single trial is all.
 */
public final class LimitSearch {
  /** Takes a micro-batch there and back. */
  @FunctionalInterface
  public interface Trial {
    /**
     * Whether it fits.
     *
     * @param rows at least 1
     * @param tokens of each row, padding included
     */
    boolean fits(int rows, int tokens);
  }

  /** A part of what it takes grows with its tokens, the rest with tokens times length. */
  private record Shape(long places, int tokens) {
    boolean takesNoMoreThan(Shape other) {
      return places <= other.places && tokens <= other.tokens;
    }

    boolean takesNoLessThan(Shape other) {
      return places >= other.places && places * tokens >= other.places * other.tokens;
    }
  }

  private final BatchSpec batch;
  private final Trial trial;
  private final List<Shape> fitted = new ArrayList<>();
  private final List<Shape> failed = new ArrayList<>();

  private LimitSearch(BatchSpec batch, Trial trial) {
    this.batch = batch;
    this.trial = trial;
  }

  /**
   * The limits by length that a run has already, and those that were found: ascending in length,
   * descending in tokens.
   *
   * @param longest padded length of the longest text, at least 1
   * @throws Refusal if not even a single row of some length fits
   */
  public static List<MicroBatchLimit> find(BatchSpec batch, int longest, Trial trial) {
    LimitSearch search = new LimitSearch(batch, trial);
    List<MicroBatchLimit> all = new ArrayList<>(batch.microBatchLimits());
    for (int least = Integer.highestOneBit(longest); least > 0; least /= 2) {
      search.limit(least, (int) Math.min(longest, 2L * least - 1)).ifPresent(all::add);
    }
    return descending(all);
  }

  private Optional<MicroBatchLimit> limit(int least, int most) {
    Optional<MicroBatchLimit> limit = Optional.empty();
    BatchSpec tried = batch;
    int tokens = batch.mostTokens(most);
    while (!fits(places(tried, least, most), most)) {
      if (rows(places(tried, least, most), most) == 1) {
        throw Refusal.run(
            "a single text of %d tokens: does not fit into the memory of this machine (expected: one for each compute thread of each worker); take fewer workers or compute-threads, set gradient-checkpointing = true, or lower data.passage-max-tokens"
                .formatted(most));
      }
      tokens /= 2;
      limit = Optional.of(new MicroBatchLimit(least, tokens));
      tried = batch.with(limit.get());
    }
    return limit;
  }

  private boolean fits(long places, int tokens) {
    if (fitted.stream().anyMatch(new Shape(places, tokens)::takesNoMoreThan)) {
      return true;
    }
    int rows = rows(places, tokens);
    Shape shape = new Shape((long) rows * tokens, tokens);
    if (failed.stream().anyMatch(shape::takesNoLessThan)) {
      return false;
    }
    boolean fits = trial.fits(rows, tokens);
    (fits ? fitted : failed).add(shape);
    return fits;
  }

  /** Rows of a length that have no fewer tokens. */
  private static int rows(long places, int tokens) {
    return Math.toIntExact(Math.ceilDiv(places, (long) tokens));
  }

  /** The most tokens of any micro-batch of a class, padding included. */
  private static long places(BatchSpec batch, int least, int most) {
    long places = 0;
    for (int tokens = least; tokens <= most; tokens++) {
      int rows = Math.min(MicroBatchCut.MOST_ROWS, batch.mostRows(tokens));
      places = Math.max(places, (long) rows * tokens);
    }
    return places;
  }

  /** Without those that a limit of shorter texts makes needless. */
  private static List<MicroBatchLimit> descending(List<MicroBatchLimit> limits) {
    List<MicroBatchLimit> kept = new ArrayList<>();
    int lowest = Integer.MAX_VALUE;
    for (MicroBatchLimit limit :
        limits.stream()
            .sorted(
                Comparator.comparingInt(MicroBatchLimit::minTokens)
                    .thenComparingInt(MicroBatchLimit::mostTokens))
            .toList()) {
      if (limit.mostTokens() < lowest) {
        lowest = limit.mostTokens();
        kept.add(limit);
      }
    }
    return List.copyOf(kept);
  }
}
