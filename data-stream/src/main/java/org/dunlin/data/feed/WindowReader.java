package org.dunlin.data.feed;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.dunlin.data.plan.EpochPlan;
import org.dunlin.data.samples.Sample;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.DataSpec;

/** Reads and tokenizes windows on a few threads of its own. Thread-safe; close it. */
final class WindowReader implements AutoCloseable {
  /**
   * Tokenizing is about as fast as four trainers' threads use tokens up; more would starve them.
   */
  static final int MOST_THREADS = 4;

  /** Rows of one task: enough to make handing it over cheap, few enough to share a window out. */
  private static final int TASK_ROWS = 32;

  private final SampleFiles samples;
  private final Tokenizer tokenizer;
  private final BatchSpec batch;
  private final DataSpec data;
  private final ExecutorService threads;
  private volatile boolean closed;

  WindowReader(SampleFiles samples, Tokenizer tokenizer, BatchSpec batch, DataSpec data) {
    this.samples = samples;
    this.tokenizer = tokenizer;
    this.batch = batch;
    this.data = data;
    this.threads =
        Executors.newFixedThreadPool(
            Math.min(MOST_THREADS, Runtime.getRuntime().availableProcessors()),
            Thread.ofPlatform().daemon().name("tokenizer-", 0).factory());
  }

  /** The window's steps. */
  CompletableFuture<List<StepRows>> read(Window window) {
    int[] rows = window.rows();
    List<CompletableFuture<List<TokenizedSample>>> tasks = new ArrayList<>();
    for (int first = 0; first < rows.length; first += TASK_ROWS) {
      int from = first;
      int to = Math.min(rows.length, first + TASK_ROWS);
      tasks.add(
          CompletableFuture.supplyAsync(() -> tokenize(window.plan(), rows, from, to), threads));
    }
    return CompletableFuture.allOf(tasks.toArray(CompletableFuture[]::new))
        .thenApply(
            done -> window.steps(tasks.stream().flatMap(task -> task.join().stream()).toList()));
  }

  /**
   * Ends the tasks soon; does not wait for them. No thread is interrupted: that would close the
   * files under all their readers.
   */
  @Override
  public void close() {
    closed = true;
    threads.shutdown();
  }

  private List<TokenizedSample> tokenize(EpochPlan plan, int[] rows, int from, int to) {
    List<TokenizedSample> tokenized = new ArrayList<>(to - from);
    for (int place = from; place < to; place++) {
      if (closed) {
        throw new CancellationException("the stream has ended");
      }
      Sample sample = samples.read(rows[place]);
      tokenized.add(TokenizedSample.of(sample, plan, tokenizer, batch, data));
    }
    return tokenized;
  }
}
