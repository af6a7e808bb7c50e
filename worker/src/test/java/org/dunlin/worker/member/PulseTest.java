package org.dunlin.worker.member;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.PulseSign;
import org.dunlin.protocol.message.ToWorker;
import org.junit.jupiter.api.Test;

/** What a coordinator hears of a worker's pulse, and the worker of the coordinator. */
class PulseTest {
  private static final int LEASE_MS = 400;

  private final BlockingQueue<String> heard = new LinkedBlockingQueue<>();
  private final BlockingQueue<Long> silences = new LinkedBlockingQueue<>();

  @Test
  void shouldBeatAndSayLastWordsBeforeItsEnd() throws Exception {
    try (ServerSocket server = listen();
        Pulse pulse = begin(server);
        Socket socket = server.accept()) {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      assertThat(in.readUTF()).isEqualTo("w");
      assertThat(in.readLong()).isEqualTo(2);
      assertThat(in.read()).isEqualTo(PulseSign.ALIVE);
      pulse.close("failed: no memory");
      int sign = in.read();
      while (sign == PulseSign.ALIVE) {
        sign = in.read();
      }
      assertThat(sign).isEqualTo(PulseSign.LAST_WORDS);
      assertThat(in.readUTF()).isEqualTo("failed: no memory");
      assertThat(in.read()).isEqualTo(-1);
    }
    assertThat(heard).isEmpty();
  }

  @Test
  void shouldBringTheCoordinatorsWordToLeave() throws Exception {
    try (ServerSocket server = listen()) {
      Pulse pulse = begin(server);
      Socket socket = server.accept();
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      out.writeByte(PulseSign.LEAVE);
      out.writeLong(3);
      out.writeUTF("it was asked to");
      out.writeBoolean(false);
      out.flush();
      assertThat(heard.poll(1, TimeUnit.MINUTES))
          .isEqualTo(new ToWorker.Leave(new Term(3), "it was asked to", false).toString());
      pulse.close();
      socket.close();
    }
  }

  @Test
  void shouldTellThatTheCoordinatorIsSilent() throws Exception {
    try (ServerSocket server = listen()) {
      Pulse pulse = begin(server);
      Socket socket = server.accept();
      assertThat(silences.poll(1, TimeUnit.MINUTES)).isEqualTo(LEASE_MS);
      assertThat(silences.poll(1, TimeUnit.MINUTES)).isEqualTo(2 * LEASE_MS);
      pulse.close();
      socket.close();
    }
  }

  @Test
  void shouldNoticeTheCoordinatorsEnd() throws Exception {
    try (ServerSocket server = listen()) {
      Pulse pulse = begin(server);
      try (Socket socket = server.accept()) {
        assertThat(new DataInputStream(socket.getInputStream()).readUTF()).isEqualTo("w");
      }
      assertThat(heard.poll(1, TimeUnit.MINUTES)).isEqualTo("ended");
      pulse.close();
    }
  }

  @Test
  void shouldRefuseWhereNobodyListensAndNotThrow() throws Exception {
    ServerSocket closed = listen();
    closed.close();
    Pulse pulse = begin(closed);
    assertThat(heard.poll(1, TimeUnit.MINUTES))
        .startsWith("the coordinator at 127.0.0.1:" + closed.getLocalPort())
        .contains("takes no pulse: ", "expected: ");
    pulse.close();
  }

  private static ServerSocket listen() throws IOException {
    return new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
  }

  private Pulse begin(ServerSocket server) {
    return Pulse.begin(
        new WorkerId("w", 2),
        new Endpoint("127.0.0.1", server.getLocalPort()),
        LEASE_MS,
        new Pulse.Listener() {
          @Override
          public void sentAway(ToWorker.Leave word) {
            heard.add(word.toString());
          }

          @Override
          public void refused(Refusal why) {
            heard.add(why.getMessage());
          }

          @Override
          public void silent(long ms) {
            silences.add(ms);
          }

          @Override
          public void ended() {
            heard.add("ended");
          }
        });
  }
}
