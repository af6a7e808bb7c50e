package org.dunlin.coordinator.liveness;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.PulseSign;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Listens to the workers' pulses: each worker holds a TCP connection, says who it is and then sends
 * bytes. The end of a connection, or a lease without a byte, is the worker's death; a worker that
 * still can says why. Thread-safe; close it.
 */
public final class Pulses implements AutoCloseable {
  /** Hears of deaths. */
  @FunctionalInterface
  public interface Listener {
    /**
     * On a thread of that connection, once a worker.
     *
     * @param why words to be put behind its name
     * @param ownWord whether they are its own
     */
    void died(WorkerId worker, String why, boolean ownWord);
  }

  /** Connections of a run's workers that open at once. */
  private static final int BACKLOG = 1024;

  /** After a failure to accept, such as too many open files; others may end meanwhile. */
  private static final long LEAST_PAUSE_MS = 10;

  private static final long MOST_PAUSE_MS = 1000;

  private static final Logger LOG = LoggerFactory.getLogger(Pulses.class);

  private final ServerSocket server;
  private final int leaseMs;
  private final Listener dead;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();

  private Pulses(ServerSocket server, int leaseMs, Listener dead) {
    this.server = server;
    this.leaseMs = leaseMs;
    this.dead = dead;
  }

  /**
   * Listens on a free port.
   *
   * @param dead told who, and why
   */
  public static Pulses listen(String host, int leaseMs, Listener dead) {
    try {
      ServerSocket server = new ServerSocket();
      server.bind(new InetSocketAddress(host, 0), BACKLOG);
      Pulses pulses = new Pulses(server, leaseMs, dead);
      Thread.ofVirtual().name("pulses").start(pulses::accept);
      return pulses;
    } catch (IOException e) {
      throw Refusal.usage(
          "cannot listen on host '%s' (expected: a name or address of this machine): %s"
              .formatted(host, e));
    }
  }

  /** Where workers connect. */
  public Endpoint endpoint() {
    InetSocketAddress address = (InetSocketAddress) server.getLocalSocketAddress();
    return new Endpoint(address.getHostString(), address.getPort());
  }

  private void accept() {
    long pauseMs = LEAST_PAUSE_MS;
    while (!server.isClosed()) {
      try {
        Socket socket = server.accept();
        open.add(socket);
        Thread.ofVirtual().start(() -> hear(socket));
        pauseMs = LEAST_PAUSE_MS;
      } catch (IOException e) {
        pauseMs = failed(e, pauseMs);
      }
    }
  }

  // Closed, or one connection failed before it was one, or none can be opened now.
  private long failed(IOException e, long pauseMs) {
    if (server.isClosed()) {
      return pauseMs;
    }
    LOG.warn("a worker's pulse was not taken, next try in {} ms: {}", pauseMs, e.toString());
    try {
      Thread.sleep(pauseMs);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    return Math.min(2 * pauseMs, MOST_PAUSE_MS);
  }

  private void hear(Socket socket) {
    WorkerId worker = null;
    String why;
    boolean ownWord = false;
    try (socket) {
      socket.setSoTimeout(leaseMs);
      DataInputStream in = new DataInputStream(socket.getInputStream());
      worker = new WorkerId(in.readUTF(), in.readLong());
      int sign = in.read();
      while (sign == PulseSign.ALIVE) {
        sign = in.read();
      }
      ownWord = sign == PulseSign.LAST_WORDS;
      why = ownWord ? in.readUTF() : "is gone";
    } catch (SocketTimeoutException e) {
      why = "has been silent for %d ms".formatted(leaseMs);
    } catch (IOException e) {
      ownWord = false; // its last words broke off
      why = "is gone";
    }
    open.remove(socket);
    if (worker != null && !server.isClosed()) {
      dead.died(worker, why, ownWord);
    }
  }

  @Override
  public void close() {
    try {
      server.close();
      for (Socket socket : open) {
        socket.close();
      }
    } catch (IOException e) {
      // Gone either way.
    }
  }
}
