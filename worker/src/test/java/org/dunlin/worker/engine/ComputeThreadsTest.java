package org.dunlin.worker.engine;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.dunlin.worker.engine.ComputeThreads.Work;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.trace.Trace;
import org.junit.jupiter.api.Test;

/** Pieces may wait for each other, as the sums of one slot do. */
class ComputeThreadsTest {
  private final CountDownLatch givenUp = new CountDownLatch(1);

  /** The first piece cannot be begun, which only the thread that has it notices. */
  @Test
  void shouldLetNobodyWaitForAPieceThatCannotBeBegun() {
    Trace failing =
        new Trace() {
          private boolean begun;

          @Override
          public synchronized Span begin(String what) {
            if (!begun) {
              begun = true;
              throw new IllegalStateException("no more memory");
            }
            return () -> {};
          }

          @Override
          public void close() {}
        };
    Iterator<Work<?>> pieces = List.<Work<?>>of(piece(), piece()).iterator();
    try (ComputeThreads threads = new ComputeThreads(2, failing, HangWatch.NONE)) {
      assertThatThrownBy(() -> threads.run("sum", () -> next(pieces))).hasMessage("no more memory");
    }
  }

  private static Optional<Work<?>> next(Iterator<Work<?>> pieces) {
    synchronized (pieces) {
      return pieces.hasNext() ? Optional.of(pieces.next()) : Optional.empty();
    }
  }

  private Work<Boolean> piece() {
    return new Work<>() {
      @Override
      public Boolean run(Module module) {
        try {
          givenUp.await();
        } catch (InterruptedException e) {
          throw new IllegalStateException(e);
        }
        return true;
      }

      @Override
      public void giveUp() {
        givenUp.countDown();
      }
    };
  }
}
