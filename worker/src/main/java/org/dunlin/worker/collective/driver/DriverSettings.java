package org.dunlin.worker.collective.driver;

import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.agrona.concurrent.BackoffIdleStrategy;

/** How a media driver of Dunlin is set. */
public final class DriverSettings {
  /**
   * After so long without a word a process, or the other end of a stream, is taken for dead. At
   * least twice every lease that a run may have: a pause shorter than a lease disturbs nothing. A
   * death is seen long before, by the end of a connection.
   */
  public static final long LIVENESS_MS = 10_000;

  private static final long LIVENESS_NS = TimeUnit.MILLISECONDS.toNanos(LIVENESS_MS);

  /** Must exceed {@link #LIVENESS_MS}. */
  private static final long UNBLOCK_NS = TimeUnit.SECONDS.toNanos(15);

  private static final long LINGER_NS = TimeUnit.SECONDS.toNanos(1);

  /** An idle driver's nap. Measured: 1 ms costs 2.4 % of a core, and yielding all of it. */
  private static final long MOST_NAP_NS = TimeUnit.MILLISECONDS.toNanos(1);

  private static final long LEAST_NAP_NS = TimeUnit.MICROSECONDS.toNanos(1);
  private static final long SPINS = 20;
  private static final long YIELDS = 50;
  private static final long LOW_STORAGE_BYTES = 4L << 20;

  private DriverSettings() {}

  /** A driver in a folder, which it clears when it starts and removes when it ends. */
  public static MediaDriver.Context in(Path folder) {
    int receive = Sizing.socketBytes(KernelLimit.RECEIVE.bytes());
    int send = Sizing.socketBytes(KernelLimit.SEND.bytes());
    return new MediaDriver.Context()
        .aeronDirectoryName(folder.toString())
        .dirDeleteOnStart(true)
        .dirDeleteOnShutdown(true)
        .threadingMode(ThreadingMode.SHARED)
        .sharedIdleStrategy(new BackoffIdleStrategy(SPINS, YIELDS, LEAST_NAP_NS, MOST_NAP_NS))
        .asyncExecutorEnabled(false)
        .termBufferSparseFile(true)
        .lowStorageWarningThreshold(LOW_STORAGE_BYTES)
        .ipcMtuLength(Sizing.MOST_MTU_BYTES)
        .socketRcvbufLength(receive)
        .socketSndbufLength(send)
        .initialWindowLength(Sizing.windowBytes(receive))
        .clientLivenessTimeoutNs(LIVENESS_NS)
        .imageLivenessTimeoutNs(LIVENESS_NS)
        .publicationConnectionTimeoutNs(LIVENESS_NS)
        .publicationUnblockTimeoutNs(UNBLOCK_NS)
        .publicationLingerTimeoutNs(LINGER_NS);
  }
}
