package org.dunlin.worker.collective;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.Future;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.Seat;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.FrameCounts.Count;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How members meet, and what happens when one dies, closes, or says something else. */
class MeshTest {
  private static final Generation GENERATION = Members.GENERATION;
  // Ends a wait that is meant to fail; nothing that is meant to succeed has this limit.
  private static final Duration SHORT = Duration.ofMillis(300);

  @ParameterizedTest
  @ValueSource(ints = {1, 4_000_000})
  void namesADeadMemberWhileAnotherIsStillAway(int floats) throws Exception {
    try (Members members = Members.connected(3)) {
      Future<Boolean> waiting = members.start(() -> reduce(members.exchange(0), floats));
      Future<Boolean> dying = members.start(() -> reduce(members.exchange(2), floats));

      members.exchange(2).close();

      assertThatThrownBy(() -> Members.join(dying))
          .isInstanceOf(Parting.class)
          .hasMessage("the exchange of generation 3 was closed");
      assertThatThrownBy(() -> Members.join(waiting))
          .isInstanceOf(Parting.class)
          .hasMessageStartingWith(
              "worker w2#3 ended its connection in step 8, GRADIENTS, of generation 3");
    }
  }

  @Test
  void namesAMemberThatDiesAmidALargeTransfer() throws Exception {
    try (Members members = Members.connected(3)) {
      int[] bounds = {0, 1, 2, 20_000_000};
      FloatBuffer whole = Floats.buffer(bounds[3], false);
      // Member 1 stays away, so that neither of them can get to the end.
      Future<Boolean> dying = members.start(() -> gather(members.exchange(2), whole, bounds));
      Future<Boolean> other =
          members.start(() -> gather(members.exchange(0), Floats.buffer(bounds[3], false), bounds));

      members.exchange(2).close();

      assertThatThrownBy(() -> Members.join(dying))
          .hasMessage("the exchange of generation 3 was closed");
      assertThatThrownBy(() -> Members.join(other)).hasMessageContaining("worker w2#3");
    }
  }

  @Test
  void refusesAFrameOfAnotherStepWithBothValues() throws Exception {
    try (Members members = Members.connected(2)) {
      int[] bounds = {0, 10, 20};
      Future<Boolean> ahead =
          members.start(
              () -> {
                FloatBuffer whole = FloatBuffer.allocate(20);
                members.exchange(1).allGather(9, Kind.EMBEDDINGS, whole, bounds);
                return true;
              });
      // Who finds the other's frame fails, and sends no more: it must be member 0 that finds one.
      while (members.plane(1).counts().of(Count.SENT) == 0 && !ahead.isDone()) {
        Thread.onSpinWait();
      }

      assertThatThrownBy(
              () ->
                  members
                      .exchange(0)
                      .allGather(8, Kind.EMBEDDINGS, FloatBuffer.allocate(20), bounds))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("step=9")
          .hasMessageContaining("(expected: EMBEDDINGS, step=8)");
      members.exchange(0).close();
      assertThatThrownBy(() -> Members.join(ahead))
          .isInstanceOf(Parting.class)
          .hasMessageStartingWith("worker w0#1 ended its connection in step 9, EMBEDDINGS");
    }
  }

  @Test
  void refusesAHelloOfAnotherGeneration() throws Exception {
    try (Members members = Members.listening(2)) {
      Future<Exchange> newer =
          members.start(
              () -> members.plane(0).connect(members.roster(), Members.TERM, GENERATION.next(), 0));

      assertThatThrownBy(
              () -> members.plane(1).connect(members.roster(), Members.TERM, GENERATION, 1))
          .isInstanceOf(Parting.class)
          .hasMessageContaining("found worker w0#1, member 0 of generation 4")
          .hasMessageContaining("(expected: worker w0#1, member 0 of generation 3)");
      assertThat(newer).isNotDone(); // it goes on waiting for the right one
      members.plane(0).close();
      assertThatThrownBy(() -> Members.join(newer)).hasMessage("the listener was closed");
    }
  }

  @Test
  void waitsForAPeerThatIsStillInTheGenerationBefore() throws Exception {
    try (Members members = Members.listening(2)) {
      List<Seat> roster = members.roster();
      Future<Exchange> early =
          members.start(() -> members.plane(1).connect(roster, Members.TERM, GENERATION.next(), 1));

      assertThatThrownBy(() -> members.plane(0).connect(roster, Members.TERM, GENERATION, 0, SHORT))
          .hasMessageContaining("did not dial in time");
      try (Exchange late = members.plane(0).connect(roster, Members.TERM, GENERATION.next(), 0);
          Exchange met = Members.join(early)) {
        assertThat(List.of(late.member(), met.member())).containsExactly(0, 1);
      }
    }
  }

  @Test
  void refusesAnotherIncarnationAtAPeersAddress() throws Exception {
    try (Members members = Members.listening(2)) {
      Seat stale = new Seat(new WorkerId("w0", 77), members.roster().get(0).data(), 0, 0);
      Future<Exchange> restarted =
          members.start(
              () -> members.plane(0).connect(members.roster(), Members.TERM, GENERATION, 0));

      assertThatThrownBy(
              () ->
                  members
                      .plane(1)
                      .connect(
                          List.of(stale, members.roster().get(1)), Members.TERM, GENERATION, 1))
          .hasMessageContaining("found worker w0#1")
          .hasMessageContaining("(expected: worker w0#77");
      // It has nothing against this peer, who has left.
      assertThatThrownBy(() -> Members.join(restarted))
          .isInstanceOf(Parting.class)
          .hasMessageContaining("worker w1#2 did not say where its stream is taken");
    }
  }

  @Test
  void letsNoStrangerInTheWay() throws Exception {
    try (Members members = Members.listening(2);
        Socket stranger = new Socket()) {
      Endpoint door = members.roster().get(0).data();
      stranger.connect(new InetSocketAddress(door.host(), door.port()));
      stranger
          .getOutputStream()
          .write("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".getBytes(US_ASCII));

      List<Exchange> met =
          members.all(m -> members.plane(m).connect(members.roster(), Members.TERM, GENERATION, m));

      assertThat(met).allMatch(exchange -> exchange.members() == 2);
      met.forEach(Exchange::close);
    }
  }

  @Test
  void noticesAPeerThatLeavesWhileStreamsAreOpened() throws Exception {
    try (Members members = Members.listening(2)) {
      Future<Exchange> waiting =
          members.start(
              () -> members.plane(1).connect(members.roster(), Members.TERM, GENERATION, 1));
      try (Exchange left =
          members.plane(0).connect(members.roster(), Members.TERM, GENERATION, 0)) {
        assertThat(left.members()).isEqualTo(2);
      }
      // It may have met it before; it must not wait for streams that never come.
      try (Exchange met = Members.join(waiting)) {
        assertThat(met.members()).isEqualTo(2);
      } catch (Parting e) {
        assertThat(e).hasMessageContaining("worker w0#1");
      }
    }
  }

  @Test
  void saysWhoDoesNotAnswer() {
    try (Members members = Members.listening(2)) {
      members.plane(0).close();

      assertThatThrownBy(
              () -> members.plane(1).connect(members.roster(), Members.TERM, GENERATION, 1))
          .isInstanceOf(Parting.class)
          .hasMessageContaining("worker w0#1 at 127.0.0.1:")
          .hasMessageContaining("did not answer to generation 3");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void stopsMeetingWhenClosed(int member) throws Exception {
    try (Members members = Members.listening(2)) {
      Future<Exchange> meeting =
          members.start(
              () ->
                  members
                      .plane(member)
                      .connect(members.roster(), Members.TERM, GENERATION, member));

      members.plane(member).close();

      assertThatThrownBy(() -> Members.join(meeting))
          .isInstanceOf(Parting.class)
          .hasMessage("the listener was closed");
    }
  }

  @Test
  void refusesAHostThatIsNotHere() {
    assertThatThrownBy(() -> DataPlane.listen("host.invalid"))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("cannot listen on host 'host.invalid'");
  }

  @Test
  void leavesNoSocketBehind() throws Exception {
    assumeThat(Path.of("/proc/self/fd")).exists();
    Members.connected(2).close(); // what the first use opens stays open
    long before = descriptors();
    Members members = Members.connected(5);
    members.all(m -> reduce(members.exchange(m), 1000));
    members.close();
    assertThat(descriptors()).isEqualTo(before);
  }

  private static long descriptors() throws IOException {
    long count = 0;
    try (var open = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      for (Path descriptor : open) {
        try {
          String target = Files.readSymbolicLink(descriptor).toString();
          count += target.startsWith("socket:") || target.contains("eventpoll") ? 1 : 0;
        } catch (NoSuchFileException e) {
          // It was the listing's own.
        }
      }
    }
    return count;
  }

  private static boolean gather(Exchange exchange, FloatBuffer whole, int[] bounds) {
    exchange.allGather(8, Kind.GRADIENTS, whole, bounds);
    return true;
  }

  private static boolean reduce(Exchange exchange, int floats) {
    SummationTree tree = new SummationTree(8, new BitSet());
    int[] bounds = new int[exchange.members() + 1];
    for (int m = 1; m < bounds.length; m++) {
      bounds[m] = floats / exchange.members() * m;
    }
    List<Partial<FloatBuffer>> partials = new ArrayList<>();
    for (int slot = exchange.member(); slot < 8; slot += exchange.members()) {
      partials.add(new Partial<>(tree.leaf(slot), Floats.buffer(floats, false)));
    }
    exchange.reduceScatter(8, Kind.GRADIENTS, tree, partials, bounds, Floats.buffer(floats, false));
    return true;
  }
}
