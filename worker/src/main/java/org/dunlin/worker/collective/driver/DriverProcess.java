package org.dunlin.worker.collective.driver;

import io.aeron.AeronCounters;
import io.aeron.driver.MediaDriver;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.agrona.concurrent.status.CountersReader;

/**
 * The body of the host's media driver: a process of its own, which outlives any worker and ends
 * when for a while no process has used it. Signals do not end it before.
 */
public final class DriverProcess {
  /** Longer than a worker takes to start again. */
  private static final long IDLE_MS = TimeUnit.SECONDS.toMillis(10);

  private static final long LOOK_MS = 500;

  private DriverProcess() {}

  /**
   * Runs a driver until it is needed no more.
   *
   * @param arguments its folder
   */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    DriverFolder folder = new DriverFolder(Path.of(arguments[0]));
    folder.holdAsDriver();
    MediaDriver driver = MediaDriver.launch(DriverSettings.in(folder.path()));
    folder.writeId();
    CountersReader counters = driver.context().countersManager();
    long usedMs = now();
    boolean hasEnded = false;
    while (folder.isDriver() && !hasEnded) {
      Thread.sleep(LOOK_MS);
      usedMs = clients(counters) > 0 ? now() : usedMs;
      // Who holds the lock is about to use this driver.
      hasEnded = now() - usedMs > IDLE_MS && folder.ifFree(() -> ended(driver, counters));
    }
  }

  private static boolean ended(MediaDriver driver, CountersReader counters) {
    if (clients(counters) > 0) {
      return false;
    }
    driver.close();
    return true;
  }

  private static long now() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
  }

  private static int clients(CountersReader counters) {
    int[] clients = new int[1];
    counters.forEach(
        (id, type, key, label) ->
            clients[0] += type == AeronCounters.DRIVER_HEARTBEAT_TYPE_ID ? 1 : 0);
    return clients[0];
  }
}
