package org.dunlin.worker.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.trace.Trace;

/**
 * The threads that compute, each with a {@link Module} of its own. One caller at a time hands in
 * work and waits for it.
 */
public final class ComputeThreads implements AutoCloseable {
  /** A piece of work; it runs on one of the threads, with that thread's module. */
  public interface Work<T> {
    T run(Module module);

    /** It was handed out and cannot be begun: nobody must wait for it. */
    default void giveUp() {}

    /** How much it is, at least 1, in a measure by which the time of its kind grows at most. */
    default long size() {
      return 1;
    }

    /** What it is of, as "a micro-batch of 512 tokens"; empty where there is no more to say. */
    default String of() {
      return "";
    }
  }

  /** Work of which not all pieces are equal. */
  public static <T> Work<T> sized(long size, Supplier<String> of, Work<T> work) {
    return new Work<>() {
      @Override
      public T run(Module module) {
        return work.run(module);
      }

      @Override
      public long size() {
        return size;
      }

      @Override
      public String of() {
        return of.get();
      }
    };
  }

  private static final long CLOSE_SECONDS = 60;

  private volatile BooleanSupplier abandoned = ComputeThreads::never;

  private long busyNs;

  private final int count;
  private final Trace trace;
  private final HangWatch watch;
  private final ExecutorService threads;
  private final List<Module> modules = new ArrayList<>();
  private final ThreadLocal<Module> module = ThreadLocal.withInitial(this::open);

  /**
   * @param count at least 1
   */
  public ComputeThreads(int count) {
    this(count, Trace.NONE, HangWatch.NONE);
  }

  /**
   * @param trace of every piece; the caller closes it
   * @param watch of every piece, too
   */
  public ComputeThreads(int count, Trace trace, HangWatch watch) {
    this.count = count;
    this.trace = trace;
    this.watch = watch;
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
   * From now on no piece is begun once nobody waits for it any more; {@link #run} then throws
   * {@link Abandoned}.
   *
   * @param isAbandoned asked by any of the threads, before each piece
   */
  public void until(BooleanSupplier isAbandoned) {
    abandoned = isAbandoned;
  }

  /** Ends that: every piece is run again. */
  public void untilDone() {
    abandoned = ComputeThreads::never;
  }

  /**
   * Runs all of it, several at once. Pieces are begun in their order. After a failure no new piece
   * is begun, and the failure is thrown.
   *
   * @param what it is, for the trace
   * @return results in the order of the work
   */
  public <T> List<T> run(String what, List<Work<T>> work) {
    List<T> results = new ArrayList<>(Collections.nCopies(work.size(), null));
    AtomicInteger next = new AtomicInteger();
    run(
        what,
        () -> {
          int i = next.getAndIncrement();
          return i < work.size() ? Optional.of(into(results, i, work.get(i))) : Optional.empty();
        });
    return results;
  }

  private static <T> Work<T> into(List<T> results, int place, Work<T> work) {
    return sized(work.size(), work::of, module -> results.set(place, work.run(module)));
  }

  /**
   * Runs what a source hands out until it is empty, several pieces at once. After a failure no new
   * piece is begun, and the failure is thrown.
   *
   * @param what it is, for the trace
   * @param source called by any of the threads
   */
  public void run(String what, Supplier<Optional<Work<?>>> source) {
    long beganNs = System.nanoTime();
    AtomicReference<Throwable> failure = new AtomicReference<>();
    List<Future<?>> running = new ArrayList<>();
    for (int t = 0; t < count; t++) {
      running.add(threads.submit(() -> drain(what, source, failure)));
    }
    for (Future<?> thread : running) {
      await(thread, failure);
    }
    busyNs += System.nanoTime() - beganNs;
    switch (failure.get()) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case Throwable e -> throw new IllegalStateException(e);
    }
  }

  /** How long callers have waited for their work so far. */
  public long busyNs() {
    return busyNs;
  }

  private static boolean never() {
    return false;
  }

  private void drain(
      String what, Supplier<Optional<Work<?>>> source, AtomicReference<Throwable> failure) {
    try {
      while (failure.get() == null) {
        if (abandoned.getAsBoolean()) {
          throw new Abandoned("a new generation has begun");
        }
        // Whatever was handed out is run, or given up: others may wait for it.
        Optional<Work<?>> piece = source.get();
        if (piece.isEmpty()) {
          return;
        }
        perform(what, piece.get());
      }
    } catch (RuntimeException | Error e) {
      failure.compareAndSet(null, e);
    }
  }

  private void perform(String what, Work<?> work) {
    boolean begun = false;
    try {
      Module own = module.get();
      try (HangWatch.Piece piece = watch.begin(what, work.size(), () -> words(what, work.of()))) {
        Trace.Span span = trace.begin(what);
        begun = true;
        try {
          work.run(own);
        } finally {
          span.end();
        }
        piece.done();
      }
    } finally {
      if (!begun) {
        work.giveUp();
      }
    }
  }

  private static String words(String what, String of) {
    return of.isEmpty() ? what : what + " of " + of;
  }

  private static void await(Future<?> thread, AtomicReference<Throwable> failure) {
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
    Module opened = watch.during("loading the scripts", Module::new);
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
