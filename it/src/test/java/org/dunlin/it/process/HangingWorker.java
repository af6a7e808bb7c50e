package org.dunlin.it.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.dunlin.conf.launch.JoinRequest;
import org.dunlin.conf.launch.JoinedWorker;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.worker.hang.HangLimits;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.trace.Trace;

/**
 * {@code dunlin worker --join}, but that after some steps one of its compute threads, about to
 * begin a backward pass, makes a call to the system that does not return. It looks out for that
 * sooner than other workers do.
 */
public final class HangingWorker {
  /** Some 20 steps of the golden model's with half of the slots. */
  private static final int PASSES = 100;

  private static final HangLimits LIMITS =
      new HangLimits(Duration.ofMillis(100), Duration.ofSeconds(4), 4, Duration.ofMinutes(5));

  private HangingWorker() {}

  /** Joins the coordinator at {@code HOST:PORT}, the one argument. */
  public static void main(String[] arguments) {
    int colon = arguments[0].lastIndexOf(':');
    String name = "hanging";
    JoinRequest request =
        new JoinRequest(
            new Endpoint(
                arguments[0].substring(0, colon),
                Integer.parseInt(arguments[0].substring(colon + 1))),
            Optional.empty(),
            Optional.of(name),
            OptionalInt.of(2),
            List.of(),
            Duration.ofSeconds(30),
            Optional.empty(),
            Optional.empty());
    System.exit(
        JoinedWorker.join(
            request,
            name,
            new CompletableFuture<>(),
            System.err::println,
            HangingWorker::trace,
            HangWatch.start(LIMITS)));
  }

  private static Trace trace() {
    AtomicInteger passes = new AtomicInteger();
    return new Trace() {
      @Override
      public Span begin(String what) {
        if (what.equals("backward") && passes.incrementAndGet() == PASSES) {
          awaitForEver();
        }
        return Trace.NONE.begin(what);
      }

      @Override
      public void close() {}
    };
  }

  // Whoever started this process never writes to it.
  private static void awaitForEver() {
    try {
      throw new IllegalStateException("read " + System.in.read());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
