package org.dunlin.worker.member;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.PulseSign;
import org.dunlin.protocol.message.ToWorker;

/**
 * Tells the coordinator that this process lives: a connection whose end is its death, and bytes on
 * it, whose absence is a hang. A thread of its own connects and sends them, whatever the others do;
 * another one notices the coordinator's end. No method waits. Close it.
 */
final class Pulse implements AutoCloseable {
  /** Who hears of a pulse, on a thread of its own. */
  interface Listener {
    /** The coordinator's word that this worker has to leave. */
    void sentAway(ToWorker.Leave word);

    /** The coordinator takes no pulse; this one has ended. */
    void refused(Refusal why);

    /**
     * The coordinator has not answered; said once a lease.
     *
     * @param ms since when, about
     */
    void silent(long ms);

    /** The coordinator ended the connection: it is gone, or takes this worker for dead. */
    void ended();
  }

  /** A lost byte or a late thread is no death. */
  private static final int BYTES_A_LEASE = 4;

  private final WorkerId worker;
  private final Endpoint coordinator;
  private final int leaseMs;
  private final Listener listener;
  private final Socket socket = new Socket();
  private final Object turn = new Object();
  private Optional<String> lastWords = Optional.empty();
  private boolean closed;

  private Pulse(WorkerId worker, Endpoint coordinator, int leaseMs, Listener listener) {
    this.worker = worker;
    this.coordinator = coordinator;
    this.leaseMs = leaseMs;
    this.listener = listener;
  }

  static Pulse begin(WorkerId worker, Endpoint coordinator, int leaseMs, Listener listener) {
    Pulse pulse = new Pulse(worker, coordinator, leaseMs, listener);
    Thread thread = new Thread(pulse::live, "pulse-" + worker);
    thread.setDaemon(true);
    thread.start();
    return pulse;
  }

  /** Where it goes. */
  Endpoint coordinator() {
    return coordinator;
  }

  private void live() {
    try (socket) {
      DataOutputStream out = connect();
      Thread.ofVirtual().start(this::awaitEnd);
      while (rests()) {
        out.writeByte(PulseSign.ALIVE);
        out.flush();
      }
      Optional<String> words = words();
      if (words.isPresent()) {
        out.writeByte(PulseSign.LAST_WORDS);
        out.writeUTF(words.get());
        out.flush();
      }
    } catch (IOException e) {
      // Closed, or the coordinator is gone, which the other thread notices.
    } catch (Refusal e) {
      listener.refused(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private DataOutputStream connect() {
    try {
      socket.setTcpNoDelay(true);
      socket.connect(new InetSocketAddress(coordinator.host(), coordinator.port()), leaseMs);
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      out.writeUTF(worker.name());
      out.writeLong(worker.incarnation());
      out.flush();
      return out;
    } catch (IOException e) {
      throw Refusal.run(
          "the coordinator at %s:%d takes no pulse: %s (expected: all its ports open to its workers)"
              .formatted(coordinator.host(), coordinator.port(), e.getMessage()),
          e);
    }
  }

  /** Waits until the next byte is due; false once this is closed. */
  private boolean rests() throws InterruptedException {
    long dueNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(leaseMs / BYTES_A_LEASE);
    synchronized (turn) {
      long leftNs = dueNs - System.nanoTime();
      while (!closed && leftNs > 0) {
        TimeUnit.NANOSECONDS.timedWait(turn, leftNs);
        leftNs = dueNs - System.nanoTime();
      }
      return !closed;
    }
  }

  private Optional<String> words() {
    synchronized (turn) {
      return lastWords;
    }
  }

  // Its word to leave may come before.
  private void awaitEnd() {
    try {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      for (int sign = sign(in); sign >= 0; sign = sign(in)) {
        if (sign == PulseSign.LEAVE) {
          socket.setSoTimeout(0);
          listener.sentAway(
              new ToWorker.Leave(new Term(in.readLong()), in.readUTF(), in.readBoolean()));
        }
      }
    } catch (IOException e) {
      // Ended as well.
    }
    boolean own;
    synchronized (turn) {
      own = closed;
    }
    if (!own) {
      listener.ended();
    }
  }

  private int sign(DataInputStream in) throws IOException {
    socket.setSoTimeout(leaseMs);
    long silentMs = 0;
    while (true) {
      try {
        return in.read();
      } catch (SocketTimeoutException e) {
        silentMs += leaseMs;
        listener.silent(silentMs);
      }
    }
  }

  /** As {@link #close}, but says before why this worker ends: words to be put behind its name. */
  void close(String why) {
    synchronized (turn) {
      lastWords = Optional.of(PulseSign.fitting(why));
    }
    close();
  }

  @Override
  public void close() {
    synchronized (turn) {
      closed = true;
      turn.notifyAll();
    }
  }
}
