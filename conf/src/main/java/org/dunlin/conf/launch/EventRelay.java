package org.dunlin.conf.launch;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.dunlin.coordinator.report.RunEvent;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes events from the coordinator's actor, which must not wait, and hands them in order to a
 * listener that may. Close it: that waits until everything has been heard.
 */
final class EventRelay implements Consumer<RunEvent>, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(EventRelay.class);

  // An event a step: a listener so far behind will not catch up.
  private static final int MOST_EVENTS = 1 << 16;
  private static final long CLOSE_SECONDS = 20;

  private sealed interface Item {}

  private record Told(RunEvent event) implements Item {}

  private record End() implements Item {}

  private final BlockingQueue<Item> queue = new LinkedBlockingQueue<>(MOST_EVENTS);
  private final Consumer<RunEvent> listener;
  private final Thread thread = new Thread(this::drain, "run-events");

  EventRelay(Consumer<RunEvent> listener) {
    this.listener = listener;
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public void accept(RunEvent event) {
    if (!queue.offer(new Told(event))) {
      throw new IllegalStateException("the run's listener is " + MOST_EVENTS + " events behind");
    }
  }

  private void drain() {
    try {
      while (queue.take() instanceof Told told) {
        hear(told.event());
      }
    } catch (InterruptedException e) {
      LOG.warn("events were left unheard", e);
    }
  }

  // A full disk under a metrics file is no reason to lose a model.
  private void hear(RunEvent event) {
    try {
      listener.accept(event);
    } catch (RuntimeException e) {
      LOG.error("a listener failed at {}", event, e);
    }
  }

  @Override
  public void close() {
    try {
      if (!queue.offer(new End(), CLOSE_SECONDS, TimeUnit.SECONDS)) {
        LOG.warn("the run's listener hangs; its last events are lost");
        return;
      }
      thread.join(TimeUnit.SECONDS.toMillis(CLOSE_SECONDS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
