package org.dunlin.worker.hang;

import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Tells which piece of work under way hangs. It is told that time passes, and has no clock; not
 * thread-safe.
 *
 * <p>A piece is expected to take no longer than the longest of its kind that is done, or, if it is
 * larger than all of those, longer by as much.
 */
final class HangJudge {
  /** As how many looks a longer pause between two of them counts at most. */
  static final int MOST_LOOKS = 2;

  /** A piece under way. */
  static final class Piece {
    private final String kind;
    private final long size;
    private final Supplier<String> words;
    private final long beganNs;

    private Piece(String kind, long size, Supplier<String> words, long beganNs) {
      this.kind = kind;
      this.size = size;
      this.words = words;
      this.beganNs = beganNs;
    }
  }

  /** Of the pieces of a kind that are done. */
  private record Done(long longestNs, long largest) {
    Done and(Done other) {
      return new Done(Math.max(longestNs, other.longestNs), Math.max(largest, other.largest));
    }

    double expectedNs(long size) {
      return longestNs * Math.max(1, (double) size / largest);
    }
  }

  private final long lookNs;
  private final double leastNs;
  private final double factor;
  private final double firstNs;
  private final Set<Piece> underWay = new LinkedHashSet<>(); // as they were begun
  private final Map<String, Done> done = new HashMap<>();
  private long awakeNs;

  HangJudge(HangLimits limits) {
    this.lookNs = limits.look().toNanos();
    this.leastNs = limits.least().toNanos();
    this.factor = limits.factor();
    this.firstNs = limits.first().toNanos();
  }

  /**
   * A piece begins.
   *
   * @param kind of pieces whose times can be compared
   * @param size at least 1, in a measure of its kind by which its time grows at most
   * @param words what it is; asked for only where it hangs
   */
  Piece begin(String kind, long size, Supplier<String> words) {
    Piece piece = new Piece(kind, size, words, awakeNs);
    underWay.add(piece);
    return piece;
  }

  /** A piece is done, from which the next ones are judged; one look more may be what it took. */
  void done(Piece piece) {
    underWay.remove(piece);
    long tookNs = awakeNs - piece.beganNs + lookNs;
    done.merge(piece.kind, new Done(tookNs, piece.size), Done::and);
  }

  /** A piece failed, which says nothing about how long others take. */
  void failed(Piece piece) {
    underWay.remove(piece);
  }

  /**
   * Time has passed.
   *
   * @param ns since this was called last
   * @return what to say of the piece that hangs, if any does: of several the one begun first
   */
  Optional<String> passed(long ns) {
    awakeNs += Math.clamp(ns, 0, MOST_LOOKS * lookNs);
    return underWay.stream().filter(this::hangs).findFirst().map(this::sentence);
  }

  private boolean hangs(Piece piece) {
    return awakeNs - piece.beganNs > limitNs(piece);
  }

  private double limitNs(Piece piece) {
    Done past = done.get(piece.kind);
    if (past == null) {
      return Math.max(leastNs, firstNs);
    }
    // What small pieces say about one that is far larger says less than the limit of a first one.
    double mostNs = Math.max(firstNs, factor * past.longestNs);
    return Math.max(leastNs, Math.min(mostNs, factor * past.expectedNs(piece.size)));
  }

  private String sentence(Piece piece) {
    Done past = done.get(piece.kind);
    String expected =
        past == null
            ? "at most %d s, as the first of its kind".formatted(seconds(firstNs))
            : "at most %d s, by those before".formatted(seconds(past.expectedNs(piece.size)));
    return "%s hangs: it has taken %d s (expected: %s)"
        .formatted(
            piece.words.get(), Duration.ofNanos(awakeNs - piece.beganNs).toSeconds(), expected);
  }

  private static long seconds(double ns) {
    return (long) Math.ceil(ns / 1e9);
  }
}
