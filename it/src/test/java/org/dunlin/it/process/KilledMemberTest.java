package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.dunlin.it.benchmark.CollectivesMember;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.Seat;
import org.dunlin.worker.collective.DataPlane;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.Parting;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A member in a process of its own, killed while this one waits for it; over the host's driver. */
@Tag("process")
class KilledMemberTest {
  private static final String HOST = "127.0.0.1";
  private static final int[] BOUNDS = {0, 1, 2};

  @Test
  void shouldUnblockWhoWaitsAndLetItMeetTheNextOne() throws Exception {
    try (DataPlane plane = DataPlane.listen(HOST)) {
      Process first = new ProcessBuilder(CollectivesMember.command(1)).start();
      Exchange broken = meet(plane, first);
      CompletableFuture<Void> waiting = CompletableFuture.runAsync(() -> gather(broken));
      first.destroyForcibly();
      assertThatThrownBy(() -> waiting.get(Golden.LIMIT_SECONDS, TimeUnit.SECONDS))
          .cause()
          .isInstanceOf(Parting.class)
          .hasMessageStartingWith("worker w1#1 ended its connection in step 1, EMBEDDINGS");
      broken.close();

      // The streams of the dead one are still there; those of the next generation are others.
      Process second = new ProcessBuilder(CollectivesMember.command(1)).start();
      try (Exchange next = meet(plane, second);
          Writer requests = second.outputWriter()) {
        requests.write("sum 1\n"); // begins with a gather of a byte each
        requests.flush();
        gather(next);
      }
      assertThat(second.waitFor(Golden.LIMIT_SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThat(second.exitValue()).isZero();
    }
  }

  private static Exchange meet(DataPlane plane, Process peer) throws Exception {
    BufferedReader answers = peer.inputReader();
    int port = Integer.parseInt(answers.readLine());
    Writer requests = peer.outputWriter();
    requests.write(plane.endpoint().port() + " " + port + "\n");
    requests.flush();
    List<Seat> roster =
        List.of(
            new Seat(new WorkerId("w0", 1), plane.endpoint(), 0, 0),
            new Seat(new WorkerId("w1", 1), new Endpoint(HOST, port), 0, 0));
    return plane.connect(roster, new Term(1), new Generation(1), 0);
  }

  private static void gather(Exchange exchange) {
    exchange.allGather(1, Kind.EMBEDDINGS, ByteBuffer.allocateDirect(2), BOUNDS);
  }
}
