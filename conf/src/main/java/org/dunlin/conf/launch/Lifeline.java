package org.dunlin.conf.launch;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A child process's standard input, which its supervisor holds open: its end means that the
 * supervisor is gone, however it died, and ends the child at once. Lines on it are requests.
 */
final class Lifeline {
  /** The one request: end after the step under way. */
  static final String STOP = "stop";

  private static final Logger LOG = LoggerFactory.getLogger(Lifeline.class);
  private static final int GONE = 143;

  private final CompletableFuture<Void> stopAsked = new CompletableFuture<>();

  private Lifeline() {}

  /** From now on this process lives no longer than its supervisor. */
  static Lifeline hold() {
    Lifeline line = new Lifeline();
    Thread thread = new Thread(line::listen, "lifeline");
    thread.setDaemon(true);
    thread.start();
    return line;
  }

  private void listen() {
    try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (line.equals(STOP)) {
          stop();
        }
      }
    } catch (IOException e) {
      LOG.warn("the supervisor's line broke", e);
    }
    LOG.info("the supervisor let go; this process ends");
    Runtime.getRuntime().halt(GONE);
  }

  /** As if the supervisor had asked. */
  void stop() {
    stopAsked.completeAsync(() -> null);
  }

  CompletionStage<Void> stopAsked() {
    return stopAsked;
  }
}
