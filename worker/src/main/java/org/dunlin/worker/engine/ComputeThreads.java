package org.dunlin.worker.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The threads that compute, each with a {@link Module} of its own. One caller at a time hands in
 * work and waits for it.
 */
public final class ComputeThreads implements AutoCloseable {
  /** A piece of work; it runs on one of the threads, with that thread's module. */
  public interface Work<T> {
    T run(Module module);
  }

  private static final long CLOSE_SECONDS = 60;

  private final int count;
  private final ExecutorService threads;
  private final List<Module> modules = new ArrayList<>();
  private final ThreadLocal<Module> module = ThreadLocal.withInitial(this::open);

  /**
   * @param count at least 1
   */
  public ComputeThreads(int count) {
    this.count = count;
    AtomicInteger number = new AtomicInteger();
    this.threads =
        Executors.newFixedThreadPool(
            count,
            work -> {
              Thread thread = new Thread(work, "compute-" + number.getAndIncrement());
              thread.setDaemon(true);
              return thread;
            });
  }

  public int count() {
    return count;
  }

  /**
   * Runs all of it, several at once. Pieces are begun in their order, so one may wait for an
   * earlier one. After a failure no new piece is begun, and the failure is thrown.
   *
   * @return results in the order of the work
   */
  public <T> List<T> run(List<Work<T>> work) {
    List<T> results = new ArrayList<>(work.size());
    work.forEach(piece -> results.add(null));
    AtomicInteger next = new AtomicInteger();
    AtomicReference<RuntimeException> failure = new AtomicReference<>();
    List<Future<?>> running = new ArrayList<>();
    for (int t = 0; t < Math.min(count, work.size()); t++) {
      running.add(threads.submit(() -> drain(work, next, results, failure)));
    }
    for (Future<?> thread : running) {
      await(thread, failure);
    }
    if (failure.get() != null) {
      throw failure.get();
    }
    return results;
  }

  private <T> void drain(
      List<Work<T>> work,
      AtomicInteger next,
      List<T> results,
      AtomicReference<RuntimeException> failure) {
    for (int i = next.getAndIncrement();
        i < work.size() && failure.get() == null;
        i = next.getAndIncrement()) {
      try {
        T result = work.get(i).run(module.get());
        synchronized (results) {
          results.set(i, result);
        }
      } catch (RuntimeException e) {
        failure.compareAndSet(null, e);
      }
    }
  }

  private static void await(Future<?> thread, AtomicReference<RuntimeException> failure) {
    try {
      thread.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      failure.compareAndSet(null, new IllegalStateException("interrupted while computing", e));
    } catch (ExecutionException e) {
      failure.compareAndSet(null, new IllegalStateException(e.getCause()));
    }
  }

  private Module open() {
    Module opened = new Module();
    synchronized (modules) {
      modules.add(opened);
    }
    return opened;
  }

  @Override
  public void close() {
    threads.shutdown();
    try {
      if (!threads.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        return; // a hung operator: its module cannot be closed under it
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return;
    }
    modules.forEach(Module::close);
  }
}
