package org.dunlin.worker.hang;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.trace.Trace;
import org.junit.jupiter.api.Test;

/** A thread that really waits. Nothing but its piece is judged by more than a first limit. */
class HangWatchTest {
  private static final HangLimits SOON =
      new HangLimits(Duration.ofMillis(10), Duration.ofMillis(200), 2, Duration.ofMinutes(10));

  private final CountDownLatch goOn = new CountDownLatch(1);

  @Test
  void saysWhichPieceOfAComputeThreadHangs() throws Exception {
    try (HangWatch watch = HangWatch.start(SOON);
        ComputeThreads threads = new ComputeThreads(1, Trace.NONE, watch)) {
      threads.run("sum", List.of(piece(1, () -> {})));
      CompletableFuture<Void> run =
          CompletableFuture.runAsync(() -> threads.run("sum", List.of(piece(3, this::await))));

      String said = watch.hung().toCompletableFuture().get(1, TimeUnit.MINUTES);

      assertThat(said).startsWith("sum of 3 things hangs: it has taken ");
      goOn.countDown();
      run.get(1, TimeUnit.MINUTES);
    }
  }

  private static ComputeThreads.Work<Boolean> piece(long size, Runnable work) {
    return ComputeThreads.sized(
        size,
        () -> size + " things",
        module -> {
          work.run();
          return true;
        });
  }

  private void await() {
    try {
      goOn.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
