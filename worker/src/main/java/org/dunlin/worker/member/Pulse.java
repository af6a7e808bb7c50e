package org.dunlin.worker.member;

import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;

/**
 * Tells the coordinator that this process lives: a connection whose end is its death, and bytes on
 * it, whose absence is a hang. A thread of its own sends them, whatever the others do. Close it.
 */
final class Pulse implements AutoCloseable {
  /** A lost byte or a late thread is no death. */
  private static final int BYTES_A_LEASE = 4;

  private final Socket socket;

  private Pulse(Socket socket) {
    this.socket = socket;
  }

  static Pulse begin(WorkerId worker, Endpoint coordinator, int leaseMs) {
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      socket.connect(new InetSocketAddress(coordinator.host(), coordinator.port()), leaseMs);
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      out.writeUTF(worker.name());
      out.writeLong(worker.incarnation());
      out.flush();
      Thread thread = new Thread(() -> beat(out, leaseMs / BYTES_A_LEASE), "pulse-" + worker);
      thread.setDaemon(true);
      thread.start();
      return new Pulse(socket);
    } catch (IOException e) {
      throw Refusal.run(
          "the coordinator at %s:%d takes no pulse: %s"
              .formatted(coordinator.host(), coordinator.port(), e.getMessage()),
          e);
    }
  }

  private static void beat(DataOutputStream out, int everyMs) {
    try {
      while (true) {
        out.writeByte(1);
        out.flush();
        Thread.sleep(everyMs);
      }
    } catch (IOException e) {
      // Closed, or the coordinator is gone, which others notice.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    try {
      socket.close();
    } catch (IOException e) {
      // Gone either way.
    }
  }
}
