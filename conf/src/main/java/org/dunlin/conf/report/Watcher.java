package org.dunlin.conf.report;

import java.util.List;
import java.util.function.Consumer;
import org.dunlin.coordinator.report.RunEvent;

/**
 * Listens to a run's events, in order, from one thread at a time. It may be slow: whoever runs a
 * run calls it from a thread that nothing waits for. Closed once, after the last event.
 */
public interface Watcher extends Consumer<RunEvent>, AutoCloseable {
  @Override
  void close();

  /** Tells each of them everything, in their order, and closes them in the opposite one. */
  static Watcher all(List<? extends Watcher> watchers) {
    List<Watcher> told = List.copyOf(watchers);
    return new Watcher() {
      @Override
      public void accept(RunEvent event) {
        told.forEach(watcher -> watcher.accept(event));
      }

      @Override
      public void close() {
        told.reversed().forEach(Watcher::close);
      }
    };
  }
}
