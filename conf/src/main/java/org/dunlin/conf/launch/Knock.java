package org.dunlin.conf.launch;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.Endpoint;

/** Waits until somebody listens where a coordinator should. */
final class Knock {
  private static final int CONNECT_MS = 5_000;

  private Knock() {}

  /**
   * Tries until it is there, within a limit.
   *
   * @param stop ends the waiting
   * @param told hears now and then that it is still absent
   * @return this machine's address on the way there; empty if it was stopped
   * @throws Refusal where it does not come
   */
  static Optional<String> await(
      Endpoint at, long limitMs, CompletionStage<Void> stop, Consumer<String> told) {
    BackOff backOff = new BackOff(limitMs);
    long beganMs = nowMs();
    long toldAtMs = -1;
    for (int attempts = 1; !stop.toCompletableFuture().isDone(); attempts++) {
      try (Socket socket = new Socket()) {
        socket.connect(new InetSocketAddress(at.host(), at.port()), CONNECT_MS);
        return Optional.of(socket.getLocalAddress().getHostAddress());
      } catch (IOException e) {
        long sinceMs = nowMs() - beganMs;
        BackOff.Next next =
            backOff
                .after(attempts, sinceMs, toldAtMs < 0 ? -1 : nowMs() - toldAtMs)
                .orElseThrow(() -> absent(at, limitMs, e));
        if (next.tells()) {
          toldAtMs = nowMs();
          told.accept(
              "no coordinator at %s:%d yet (%s); it is waited for until %d s from the start"
                  .formatted(at.host(), at.port(), e.getMessage(), limitMs / 1000));
        }
        rest(stop, next.pauseMs());
      }
    }
    return Optional.empty();
  }

  private static Refusal absent(Endpoint at, long limitMs, IOException last) {
    return Refusal.run(
        "no coordinator at %s:%d within %d s: %s (expected: a run that `dunlin coordinator` started there); start it, mend the address, or wait longer with --wait"
            .formatted(at.host(), at.port(), limitMs / 1000, last.getMessage()),
        last);
  }

  private static void rest(CompletionStage<Void> stop, long ms) {
    try {
      stop.toCompletableFuture().get(ms, TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      // The usual end of a rest.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Refusal.run("interrupted while the coordinator was waited for", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }

  private static long nowMs() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
  }
}
