package org.dunlin.coordinator.liveness;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.PulseSign;
import org.dunlin.protocol.message.ToWorker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Listens to the workers' pulses: each worker holds a TCP connection, says who it is and then sends
 * bytes, each of which is answered. The end of a connection, or a lease without a byte while others
 * are heard, is the worker's death; a worker that still can says why. Thread-safe; close it.
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

  /** Of silence, when nobody else is heard. */
  private static final int MOST_LEASES = 12;

  private static final Logger LOG = LoggerFactory.getLogger(Pulses.class);

  private final ServerSocket server;
  private final int leaseMs;
  private final Listener dead;
  private volatile long heardNs = System.nanoTime();
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final Map<WorkerId, Socket> shown = new ConcurrentHashMap<>();

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
    try (socket) {
      socket.setSoTimeout(leaseMs);
      DataInputStream in = new DataInputStream(socket.getInputStream());
      WorkerId worker = new WorkerId(in.readUTF(), in.readLong());
      shown.put(worker, socket);
      try {
        if (hear(worker, in, socket)) {
          socket.setSoTimeout(0);
          in.transferTo(OutputStream.nullOutputStream()); // it may go on, and hear what is said
        }
      } finally {
        shown.remove(worker, socket);
      }
    } catch (IOException e) {
      // No worker, or one whose end is told.
    } finally {
      open.remove(socket);
    }
  }

  /** Tells of its death once it comes; true if it may still live, because it is only silent. */
  private boolean hear(WorkerId worker, DataInputStream in, Socket socket) {
    try {
      int sign = sign(in);
      while (sign == PulseSign.ALIVE) {
        say(socket, new byte[] {PulseSign.ALIVE});
        sign = sign(in);
      }
      boolean ownWord = sign == PulseSign.LAST_WORDS;
      died(worker, ownWord ? in.readUTF() : "is gone", ownWord);
      return false;
    } catch (SocketTimeoutException e) {
      died(worker, e.getMessage(), false);
      return true;
    } catch (IOException e) {
      died(worker, "is gone", false); // its last words may have broken off
      return false;
    }
  }

  /** The next sign; negative at the end. */
  private int sign(DataInputStream in) throws IOException {
    for (int leases = 1; true; leases++) {
      try {
        int sign = in.read();
        heardNs = System.nanoTime();
        return sign;
      } catch (SocketTimeoutException e) {
        if (leases == MOST_LEASES || hearsOthers()) {
          throw new SocketTimeoutException(
              "has been silent for %d ms".formatted(leases * (long) leaseMs));
        }
      }
    }
  }

  // Who lives beats four times a lease. Where nobody is heard this machine may be cut off, and what
  // the workers hold would be thrown away.
  private boolean hearsOthers() {
    return System.nanoTime() - heardNs < TimeUnit.MILLISECONDS.toNanos(leaseMs) / 2;
  }

  private void died(WorkerId worker, String why, boolean ownWord) {
    if (!server.isClosed()) {
      dead.died(worker, why, ownWord);
    }
  }

  /** Whether a worker's connection is there. */
  public boolean isShown(WorkerId worker) {
    return shown.containsKey(worker);
  }

  /**
   * Tells a worker to leave, if its connection is there: also one that was taken for dead, which
   * hears it when it goes on. Returns at once.
   *
   * @param word what it is told otherwise too
   */
  public void sendAway(WorkerId worker, ToWorker.Leave word) {
    Optional.ofNullable(shown.get(worker))
        .ifPresent(socket -> Thread.ofVirtual().start(() -> say(socket, word)));
  }

  private static void say(Socket socket, ToWorker.Leave word) {
    try {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      DataOutputStream out = new DataOutputStream(bytes);
      out.writeByte(PulseSign.LEAVE);
      out.writeLong(word.term().number());
      out.writeUTF(PulseSign.fitting(word.reason()));
      out.writeBoolean(word.refused());
      say(socket, bytes.toByteArray());
    } catch (IOException e) {
      // It has ended.
    }
  }

  private static void say(Socket socket, byte[] bytes) throws IOException {
    synchronized (socket) { // one word after the other
      socket.getOutputStream().write(bytes);
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
