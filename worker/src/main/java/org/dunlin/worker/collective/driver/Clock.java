package org.dunlin.worker.collective.driver;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongSupplier;
import org.dunlin.protocol.Refusal;

/** Whether {@link System#nanoTime}, by which leases are counted, can be trusted, and is cheap. */
final class Clock {
  private static final Path SOURCE =
      Path.of("/sys/devices/system/clocksource/clocksource0/current_clocksource");

  /** Each look at these is a slow read of a device: microseconds instead of nanoseconds. */
  private static final Set<String> SLOW = Set.of("hpet", "acpi_pm", "pit", "jiffies");

  /** A tenth of the shortest lease that is allowed, 100 ms. */
  private static final long MOST_STEP_NS = 10_000_000;

  private static final long NS_A_MS = 1_000_000;

  private static final int MOST_LOOKS = 2_000_000;
  private static final int STEPS = 100;

  private Clock() {}

  static List<String> sentences() {
    wrong(System::nanoTime)
        .ifPresent(
            sentence -> {
              throw Refusal.run(sentence);
            });
    try {
      return sourceWarning(Files.readString(SOURCE).strip()).stream().toList();
    } catch (IOException e) {
      return List.of(); // another kernel, or one that hides it
    }
  }

  /** What is wrong with a clock, as far as so many looks can show. */
  static Optional<String> wrong(LongSupplier clock) {
    long before = clock.getAsLong();
    long leastStepNs = Long.MAX_VALUE;
    int steps = 0;
    for (int looks = 0; looks < MOST_LOOKS && steps < STEPS; looks++) {
      long now = clock.getAsLong();
      long stepNs = now - before;
      if (stepNs < 0) {
        return Optional.of(
            "this machine's clock went back by %d ns (expected: never, because leases are counted by it); take another clock source: echo tsc > %s"
                .formatted(-stepNs, SOURCE));
      }
      if (stepNs > 0) {
        steps++;
        leastStepNs = Math.min(leastStepNs, stepNs);
      }
      before = now;
    }
    return leastStepNs <= MOST_STEP_NS
        ? Optional.empty()
        : Optional.of(
            "this machine's clock %s (expected: steps of at most %d ms, because leases are counted by it); take another clock source: echo tsc > %s"
                .formatted(
                    steps == 0
                        ? "stood still while it was read %d times".formatted(MOST_LOOKS)
                        : "moves in steps of %d ms".formatted(leastStepNs / NS_A_MS),
                    MOST_STEP_NS / NS_A_MS,
                    SOURCE));
  }

  static Optional<String> sourceWarning(String source) {
    return SLOW.contains(source)
        ? Optional.of(
            "the kernel's clock source is %s (expected: tsc, kvm-clock or another that is read without a device, or every look at the clock takes microseconds); change it: echo tsc > %s, or boot with clocksource=tsc"
                .formatted(source, SOURCE))
        : Optional.empty();
  }
}
