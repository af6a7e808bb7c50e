package org.dunlin.worker.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.Future;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.FrameCounts.Count;
import org.junit.jupiter.api.Test;

/** One generation after the other on the same planes, and members that leave one. */
class GenerationsTest {
  private static final int[] BOUNDS = {0, 3, 6};

  private static String gather(Exchange exchange, long step, String own) {
    ByteBuffer whole = ByteBuffer.allocateDirect(6);
    whole.put(3 * exchange.member(), own.getBytes(StandardCharsets.US_ASCII));
    exchange.allGather(step, Kind.EMBEDDINGS, whole, BOUNDS);
    return StandardCharsets.US_ASCII.decode(whole.clear()).toString();
  }

  @Test
  void keepsAnOldGenerationsFramesOutOfTheNext() throws Exception {
    try (Members members = Members.connected(2)) {
      // Member 0 begins to send in generation 3, which member 1 has left for the next.
      Future<String> zombie = members.start(() -> gather(members.exchange(0), 1, "old"));
      members.exchange(1).close();
      assertThatThrownBy(() -> Members.join(zombie)).isInstanceOf(Parting.class);

      List<Exchange> next = members.all(m -> members.connect(m, Members.GENERATION.next()));
      List<String> gathered = members.all(m -> gather(next.get(m), 1, m == 0 ? "abc" : "def"));
      next.forEach(Exchange::close);

      assertThat(gathered).containsExactly("abcdef", "abcdef");
      assertThat(members.plane(1).counts().of(Count.STALE)).isZero(); // the streams are others
    }
  }

  @Test
  void letsAMemberThatIsDoneLeaveAtOnce() throws Exception {
    try (Members members = Members.connected(2)) {
      List<String> gathered =
          members.all(
              m -> {
                try (Exchange exchange = members.exchange(m)) {
                  String last = "";
                  for (int step = 0; step < 50; step++) {
                    last = gather(exchange, step, m == 0 ? "abc" : "def");
                  }
                  return last;
                }
              });

      assertThat(gathered).containsExactly("abcdef", "abcdef");
    }
  }

  @Test
  void isOfNoUseAfterAFailure() throws Exception {
    try (Members members = Members.connected(2)) {
      Future<String> left = members.start(() -> gather(members.exchange(0), 1, "abc"));
      members.exchange(1).close();
      assertThatThrownBy(() -> Members.join(left)).isInstanceOf(Parting.class);

      assertThatThrownBy(() -> gather(members.exchange(0), 1, "abc"))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("the exchange of generation 3 has failed before");
    }
  }
}
