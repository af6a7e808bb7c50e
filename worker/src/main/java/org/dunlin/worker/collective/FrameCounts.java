package org.dunlin.worker.collective;

import static java.util.Objects.requireNonNull;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** What happened to frames since a member began, over all its generations. Thread-safe. */
public final class FrameCounts {
  /** One count. */
  public enum Count {
    /** Frames that were sent, also again. */
    SENT,
    /** Frames that were sent again because the peer found damage. */
    RESENT,
    /** Frames whose checksum or length was wrong; the peer was asked for them again. */
    CORRUPT,
    /** Frames of another term, generation or sender, dropped. */
    STALE,
    /** Frames that came a second time, dropped. */
    REPEATED,
    /** Frames dropped because one before them was corrupt. */
    SKIPPED
  }

  private final Map<Count, LongAdder> counts = new EnumMap<>(Count.class);

  FrameCounts() {
    for (Count count : Count.values()) {
      counts.put(count, new LongAdder());
    }
  }

  void add(Count count, long number) {
    adder(count).add(number);
  }

  /** How many so far. */
  public long of(Count count) {
    return adder(count).sum();
  }

  private LongAdder adder(Count count) {
    return requireNonNull(counts.get(count));
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    for (Count count : Count.values()) {
      text.append(text.isEmpty() ? "" : ", ").append(count).append(' ').append(of(count));
    }
    return text.toString();
  }
}
