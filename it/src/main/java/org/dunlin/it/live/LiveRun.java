package org.dunlin.it.live;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;

/**
 * A run whose supervisor is this process, and whose coordinator and workers are processes of their
 * own. Its events are taken one by one, by one thread. Close it: the run then ends, with its
 * processes.
 */
public final class LiveRun implements AutoCloseable {
  /**
   * An event.
   *
   * @param atNs when the supervisor heard of it, by {@link System#nanoTime}
   */
  public record Seen(RunEvent event, long atNs) {}

  // A run that is whole ends its step, saves its model and sends its workers away.
  private static final long END_SECONDS = 60;

  private final Job job;
  private final long limitSeconds;
  private final StopRequest stop = StopRequest.byHand();
  private final BlockingQueue<Seen> queue = new LinkedBlockingQueue<>();
  private final CompletableFuture<Outcome> outcome = new CompletableFuture<>();
  private final Census census = new Census();
  private final List<RunEvent> said = new ArrayList<>();

  private LiveRun(Job job, long limitSeconds) {
    this.job = job;
    this.limitSeconds = limitSeconds;
    Thread supervisor = new Thread(this::supervise, "supervisor");
    supervisor.setDaemon(true);
    supervisor.start();
  }

  /**
   * Starts it.
   *
   * @param limitSeconds of every wait
   */
  public static LiveRun start(Settings settings, long limitSeconds) {
    return new LiveRun(Job.open(settings), limitSeconds);
  }

  private void supervise() {
    Watcher listener =
        new Watcher() {
          @Override
          public void accept(RunEvent event) {
            queue.add(new Seen(event, System.nanoTime()));
          }

          @Override
          public void close() {}
        };
    try (Watcher watcher = job.watching(listener)) {
      outcome.complete(job.run(watcher, stop));
    } catch (RuntimeException e) {
      outcome.completeExceptionally(e);
    }
  }

  /** Who takes part by the events that were taken. */
  public Census census() {
    return census;
  }

  public Path folder() {
    return job.runFolder();
  }

  /** Whatever was said in words so far, by the events that were taken. */
  public List<RunEvent> said() {
    return List.copyOf(said);
  }

  /**
   * Takes events until one is as wanted, and gives that one.
   *
   * @throws IllegalStateException if none is within the limit, or the run ends before
   */
  public Seen await(Predicate<RunEvent> wanted) throws InterruptedException {
    long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(limitSeconds);
    while (true) {
      Seen seen = queue.poll(100, TimeUnit.MILLISECONDS);
      if (seen != null) {
        take(seen.event());
        if (wanted.test(seen.event())) {
          return seen;
        }
      } else if (outcome.isDone() && queue.isEmpty()) {
        throw new IllegalStateException("the run ended: %s; %s".formatted(outcome.join(), said));
      } else if (System.nanoTime() - untilNs > 0) {
        throw new IllegalStateException(
            "nothing of what was awaited within %d s: %s".formatted(limitSeconds, said));
      }
    }
  }

  private void take(RunEvent event) {
    census.add(event);
    boolean counts = event instanceof RunEvent.StepCommitted || event instanceof RunEvent.Processes;
    if (!counts) {
      said.add(event);
    }
  }

  /** As {@link #await}, for a commit. */
  public Seen awaitCommit() throws InterruptedException {
    return await(RunEvent.StepCommitted.class::isInstance);
  }

  /** Asks for its end after the step under way, and waits for it. */
  public Outcome stop() throws InterruptedException {
    stop.ask();
    try {
      Outcome end = outcome.get(limitSeconds, TimeUnit.SECONDS);
      takeAll();
      return end;
    } catch (ExecutionException | TimeoutException e) {
      takeAll();
      throw new IllegalStateException("the run does not end as it was asked to: " + said, e);
    }
  }

  private void takeAll() {
    for (Seen seen = queue.poll(); seen != null; seen = queue.poll()) {
      take(seen.event());
    }
  }

  @Override
  public void close() {
    stop.ask();
    outcome
        .copy()
        .completeOnTimeout(null, END_SECONDS, TimeUnit.SECONDS)
        .handle(Ignored::new)
        .join();
    if (!outcome.isDone()) {
      takeAll();
      census.processes().forEach(LiveRun::kill); // the supervisor then ends by itself
      outcome.handle(Ignored::new).join();
    }
    job.close();
  }

  private record Ignored(Outcome outcome, Throwable failure) {}

  private static void kill(RunEvent.Member process) {
    if (process.pid() != ProcessHandle.current().pid()) {
      ProcessHandle.of(process.pid()).ifPresent(ProcessHandle::destroyForcibly);
    }
  }
}
