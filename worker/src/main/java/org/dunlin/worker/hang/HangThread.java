package org.dunlin.worker.hang;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Looks from time to time; a look that comes late tells that this process was stopped. */
final class HangThread implements HangWatch {
  private final HangJudge judge;
  private final long lookNs;
  private final CompletableFuture<String> hung = new CompletableFuture<>();
  private boolean closed;

  private HangThread(HangLimits limits) {
    this.judge = new HangJudge(limits);
    this.lookNs = limits.look().toNanos();
  }

  static HangThread start(HangLimits limits) {
    HangThread watch = new HangThread(limits);
    Thread thread = new Thread(watch::look, "hang-watch");
    thread.setDaemon(true);
    thread.start();
    return watch;
  }

  private void look() {
    long lastNs = System.nanoTime();
    try {
      while (!hung.isDone() && rests(lastNs + lookNs)) {
        long nowNs = System.nanoTime();
        passed(nowNs - lastNs).ifPresent(hung::complete);
        lastNs = nowNs;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized Optional<String> passed(long ns) {
    return judge.passed(ns);
  }

  /** Waits until a time; false once this is closed. */
  private synchronized boolean rests(long dueNs) throws InterruptedException {
    long leftNs = dueNs - System.nanoTime();
    while (!closed && leftNs > 0) {
      TimeUnit.NANOSECONDS.timedWait(this, leftNs);
      leftNs = dueNs - System.nanoTime();
    }
    return !closed;
  }

  private final class Begun implements Piece {
    private final HangJudge.Piece piece;
    private boolean done;

    Begun(HangJudge.Piece piece) {
      this.piece = piece;
    }

    @Override
    public void done() {
      done = true;
    }

    @Override
    public void close() {
      synchronized (HangThread.this) {
        if (done) {
          judge.done(piece);
        } else {
          judge.failed(piece);
        }
      }
    }
  }

  @Override
  public synchronized Piece begin(String kind, long size, Supplier<String> words) {
    return new Begun(judge.begin(kind, size, words));
  }

  @Override
  public CompletionStage<String> hung() {
    return hung;
  }

  @Override
  public synchronized void close() {
    closed = true;
    notifyAll();
  }
}
