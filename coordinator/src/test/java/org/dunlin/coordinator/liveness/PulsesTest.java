package org.dunlin.coordinator.liveness;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.message.PulseSign;
import org.junit.jupiter.api.Test;

/** How a worker's end is told, over real sockets. */
class PulsesTest {
  private static final int LEASE_MS = 60_000;
  private static final int SHORT_LEASE_MS = 50;

  private final BlockingQueue<String> dead = new LinkedBlockingQueue<>();

  @Test
  void shouldTellAWorkersLastWordsInsteadOfItsEnd() throws Exception {
    try (Pulses pulses = listen(LEASE_MS)) {
      Socket worker = connect(pulses);
      DataOutputStream out = new DataOutputStream(worker.getOutputStream());
      out.writeByte(PulseSign.ALIVE);
      out.writeByte(PulseSign.LAST_WORDS);
      out.writeUTF("failed: the disk is full");
      worker.close();
      assertThat(dead.poll(1, TimeUnit.MINUTES)).isEqualTo("w#3 failed: the disk is full");
    }
  }

  @Test
  void shouldTellAnEndWithoutWordsAndASilence() throws Exception {
    try (Pulses pulses = listen(LEASE_MS)) {
      connect(pulses).close();
      assertThat(dead.poll(1, TimeUnit.MINUTES)).isEqualTo("w#3 is gone");
    }
    try (Pulses pulses = listen(SHORT_LEASE_MS);
        Socket worker = connect(pulses)) {
      assertThat(dead.poll(1, TimeUnit.MINUTES)).isEqualTo("w#3 has been silent for 50 ms");
      assertThat(worker.getInputStream().read()).as("its end").isEqualTo(-1);
    }
  }

  @Test
  void shouldNotTakeAStrangerForAWorker() throws Exception {
    try (Pulses pulses = listen(LEASE_MS)) {
      try (Socket stranger = new Socket(pulses.endpoint().host(), pulses.endpoint().port())) {
        stranger.getOutputStream().write(1);
      }
      connect(pulses).close();
      assertThat(dead.poll(1, TimeUnit.MINUTES)).isEqualTo("w#3 is gone");
      assertThat(dead).isEmpty();
    }
  }

  private Pulses listen(int leaseMs) {
    return Pulses.listen("127.0.0.1", leaseMs, (worker, why, own) -> dead.add(worker + " " + why));
  }

  private static Socket connect(Pulses pulses) throws IOException {
    Socket socket = new Socket(pulses.endpoint().host(), pulses.endpoint().port());
    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
    out.writeUTF("w");
    out.writeLong(3);
    return socket;
  }
}
