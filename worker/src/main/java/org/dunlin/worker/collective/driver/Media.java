package org.dunlin.worker.collective.driver;

import io.aeron.Aeron;
import io.aeron.Counter;
import io.aeron.exceptions.DriverTimeoutException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.agrona.CloseHelper;
import org.agrona.concurrent.IdleStrategy;
import org.dunlin.protocol.Refusal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A connection to a media driver. Close it; its streams are closed before. */
public final class Media implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Media.class);

  // Above what Aeron and its archive use themselves.
  private static final int COUNTER_TYPE = 64_000;

  private final Aeron aeron;
  private final Path folder;
  private final long driverId;
  private final Naps naps;

  /** How Aeron's own thread waits: only when it wakes is a stream known to be there. */
  private static final class Naps implements IdleStrategy {
    // Aeron's own; a short one all the time would cost a percent or two of a core.
    private static final long NAP_NS = TimeUnit.MILLISECONDS.toNanos(16);
    private static final long SHORT_NAP_NS = TimeUnit.MILLISECONDS.toNanos(1);

    private volatile boolean hurries;

    @Override
    public void idle(int workCount) {
      if (workCount <= 0) {
        idle();
      }
    }

    @Override
    public void idle() {
      LockSupport.parkNanos(hurries ? SHORT_NAP_NS : NAP_NS);
    }

    @Override
    public void reset() {}
  }

  private Media(Aeron aeron, Path folder, long driverId, Naps naps) {
    this.aeron = aeron;
    this.folder = folder;
    this.driverId = driverId;
    this.naps = naps;
  }

  /**
   * Connects to a driver that runs.
   *
   * @param client a name for who uses it
   * @param driverId a number that no other driver has
   */
  public static Media connect(String client, Path folder, long driverId) {
    Naps naps = new Naps();
    Aeron aeron =
        Aeron.connect(
            new Aeron.Context()
                .aeronDirectoryName(folder.toString())
                .clientName(client)
                .idleStrategy(naps)
                .errorHandler(Media::failed));
    try {
      // The answer means that the driver knows this client.
      Counter known = aeron.addCounter(COUNTER_TYPE, "dunlin " + client);
      LOG.debug("{} uses the media driver in {} as client {}", client, folder, known.id());
      return new Media(aeron, folder, driverId, naps);
    } catch (RuntimeException e) {
      CloseHelper.close(aeron);
      throw e;
    }
  }

  private static void failed(Throwable error) {
    if (error instanceof DriverTimeoutException) {
      LOG.error("the host's media driver is gone", error);
    } else {
      LOG.warn("Aeron reports", error);
    }
  }

  public Aeron aeron() {
    return aeron;
  }

  /** Whether streams are being opened: what the driver says of them is then heard at once. */
  public void hurry(boolean hurries) {
    naps.hurries = hurries;
  }

  /** Tells one driver from another, on whatever host. */
  public long driverId() {
    return driverId;
  }

  /**
   * The length of a stream's terms when so many members of a run may be on this host.
   *
   * @throws Refusal where shared memory is too small
   */
  public int termBytes(int members) {
    try {
      long free = Files.getFileStore(folder).getUsableSpace();
      return Sizing.termBytes(free, members)
          .orElseThrow(
              () -> Refusal.run(Sizing.tooSmall(folder.getParent().toString(), free, members)));
    } catch (IOException e) {
      throw Refusal.run("the media driver's folder " + folder + " is gone", e);
    }
  }

  /** The size of packets to other hosts that leave by the interface of a name or address. */
  public int mtuBytes(String host) {
    int socket = Sizing.socketBytes(KernelLimit.SEND.bytes());
    try {
      NetworkInterface own = NetworkInterface.getByInetAddress(InetAddress.getByName(host));
      return Sizing.mtuBytes(own == null ? 0 : own.getMTU(), socket);
    } catch (IOException e) {
      return Sizing.mtuBytes(0, socket);
    }
  }

  /** Whether the driver has gone, or this was closed. */
  public boolean isClosed() {
    return aeron.isClosed();
  }

  @Override
  public void close() {
    aeron.close();
  }
}
