package org.dunlin.it.benchmark;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.dunlin.worker.trace.Trace;

/** What one member's threads did: when, and how much of a processor each took. Thread-safe. */
final class CpuSpans implements Trace {
  /** Something that was done. */
  record Done(String what, long beganNs, long endedNs, long cpuNs) {
    boolean isCollective() {
      return what.contains("-gather ") || what.contains("-scatter ") || what.contains("-reduce ");
    }

    boolean isCompute() {
      return !isCollective() && !what.startsWith("compute step");
    }
  }

  private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();
  private final List<Done> done = new ArrayList<>();

  @Override
  public Span begin(String what) {
    long beganNs = System.nanoTime();
    long cpuNs = threads.getCurrentThreadCpuTime();
    return () ->
        add(new Done(what, beganNs, System.nanoTime(), threads.getCurrentThreadCpuTime() - cpuNs));
  }

  private synchronized void add(Done one) {
    done.add(one);
  }

  synchronized void clear() {
    done.clear();
  }

  synchronized double cpuMs(Predicate<Done> which) {
    return done.stream().filter(which).mapToLong(Done::cpuNs).sum() / 1e6;
  }

  /** Wall time of each, in milliseconds. */
  synchronized List<Double> wallMs(Predicate<Done> which) {
    return done.stream().filter(which).map(one -> (one.endedNs() - one.beganNs()) / 1e6).toList();
  }

  /** Wall time of collectives, in milliseconds: during which something was computed, or all. */
  synchronized double collectiveMs(boolean hidden) {
    long ns = 0;
    for (Done one : done) {
      if (!one.isCollective()) {
        continue;
      }
      ns += hidden ? overlap(one) : one.endedNs() - one.beganNs();
    }
    return ns / 1e6;
  }

  // A member of a benchmark has one compute thread, so its spans do not overlap each other.
  private long overlap(Done collective) {
    return done.stream()
        .filter(Done::isCompute)
        .mapToLong(
            one ->
                Math.max(
                    0,
                    Math.min(one.endedNs(), collective.endedNs())
                        - Math.max(one.beganNs(), collective.beganNs())))
        .sum();
  }

  @Override
  public void close() {}
}
