package org.dunlin.coordinator.liveness;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.PulseSign;
import org.dunlin.protocol.message.ToWorker;
import org.junit.jupiter.api.Test;

/** How a worker's end is told, over real sockets. */
class PulsesTest {
  private static final int LEASE_MS = 60_000;
  private static final int SHORT_LEASE_MS = 50;
  private static final int LEASE_OF_SILENCE_MS = 1000;
  private static final WorkerId WORKER = new WorkerId("w", 3);

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
    try (Pulses pulses = listen(SHORT_LEASE_MS)) {
      Socket silent = connect(pulses);
      assertThat(dead.poll(1, TimeUnit.MINUTES))
          .as("nobody else is heard")
          .isEqualTo("w#3 has been silent for 600 ms");
      silent.close();
    }
  }

  @Test
  void shouldTellASilenceSoonerWhileAnotherWorkerIsHeard() throws Exception {
    try (Pulses pulses = listen(LEASE_OF_SILENCE_MS)) {
      Socket silent = connect(pulses);
      Socket other = connect(pulses, "v");
      Thread beats =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      while (true) {
                        other.getOutputStream().write(PulseSign.ALIVE);
                        Thread.sleep(LEASE_OF_SILENCE_MS / 50);
                      }
                    } catch (IOException | InterruptedException e) {
                      // Closed, or enough.
                    }
                  });
      assertThat(dead.poll(1, TimeUnit.MINUTES)).startsWith("w#3 has been silent for ");
      assertThat(dead).isEmpty();
      beats.interrupt();
      beats.join();
      silent.close();
      other.close();
    }
  }

  @Test
  void shouldAnswerEachSign() throws Exception {
    try (Pulses pulses = listen(LEASE_MS)) {
      Socket worker = connect(pulses);
      for (int sign = 0; sign < 3; sign++) {
        worker.getOutputStream().write(PulseSign.ALIVE);
        assertThat(worker.getInputStream().read()).isEqualTo(PulseSign.ALIVE);
      }
      worker.close();
    }
  }

  @Test
  void shouldTellAWorkerToLeave() throws Exception {
    try (Pulses pulses = listen(LEASE_MS);
        Socket worker = connect(pulses)) {
      while (!pulses.isShown(WORKER)) {
        Thread.onSpinWait();
      }
      requireWordToLeave(pulses, worker);
      assertThat(dead).isEmpty();
    }
  }

  @Test
  void shouldTellItToOneThatWasSilent() throws Exception {
    try (Pulses pulses = listen(SHORT_LEASE_MS);
        Socket worker = connect(pulses)) {
      assertThat(dead.poll(1, TimeUnit.MINUTES)).contains("silent");
      requireWordToLeave(pulses, worker);
    }
  }

  private static void requireWordToLeave(Pulses pulses, Socket worker) throws IOException {
    ToWorker.Leave word = new ToWorker.Leave(new Term(7), "it was asked to", true);
    pulses.sendAway(WORKER, word);
    DataInputStream in = new DataInputStream(worker.getInputStream());
    assertThat(in.read()).isEqualTo(PulseSign.LEAVE);
    assertThat(new ToWorker.Leave(new Term(in.readLong()), in.readUTF(), in.readBoolean()))
        .isEqualTo(word);
  }

  @Test
  void shouldSayNothingToWhoeverShowsNoPulse() {
    try (Pulses pulses = listen(LEASE_MS)) {
      pulses.sendAway(WORKER, new ToWorker.Leave(new Term(7), "it was asked to", true));
      assertThat(pulses.isShown(WORKER)).isFalse();
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
    return connect(pulses, WORKER.name());
  }

  private static Socket connect(Pulses pulses, String name) throws IOException {
    Socket socket = new Socket(pulses.endpoint().host(), pulses.endpoint().port());
    DataOutputStream out = new DataOutputStream(socket.getOutputStream());
    out.writeUTF(name);
    out.writeLong(WORKER.incarnation());
    return socket;
  }
}
