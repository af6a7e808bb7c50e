package org.dunlin.conf.launch;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The end of a process whose device hangs: an exit runs the ends of all libraries, and that of one
 * whose call does not return may not return either.
 */
final class LastResort {
  private static final Logger LOG = LoggerFactory.getLogger(LastResort.class);

  // Leaving a cluster and closing its node take 23 s at most.
  private static final long PATIENCE_SECONDS = 30;

  private static final int KILLED = 137;

  private LastResort() {}

  /** From now on this process has 30 s to end; then it is killed. Returns at once. */
  static void arm() {
    Thread thread = new Thread(LastResort::killLater, "last-resort");
    thread.setDaemon(true);
    thread.start();
  }

  private static void killLater() {
    try {
      TimeUnit.SECONDS.sleep(PATIENCE_SECONDS);
      LOG.error("this process has not ended within {} s and kills itself", PATIENCE_SECONDS);
      new ProcessBuilder("kill", "-9", Long.toString(ProcessHandle.current().pid())).start();
    } catch (IOException e) {
      Runtime.getRuntime().halt(KILLED);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
