package org.dunlin.worker.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.dunlin.worker.collective.Conversation.Verdict;

/** Two ends over streams that keep their order, but damage and repeat what they carry. */
class ConversationTest {
  private record Sent(
      boolean isData,
      int transfer,
      int index,
      int lackingTransfer,
      int lackingIndex,
      int damaged) {}

  /** One end, and the stream that leads to it. */
  private static final class End {
    final Conversation conversation = new Conversation();
    final Deque<Sent> arriving = new ArrayDeque<>();
    final List<List<Integer>> taken = new ArrayList<>();
    final int[] expected;
    final int[] toSend;
    int begun;

    End(int[] toSend, int[] expected) {
      this.toSend = toSend;
      this.expected = expected;
    }

    boolean isAtEnd() {
      return begun == toSend.length && conversation.isDone();
    }

    void beginNextIfDone() {
      if (begun == 0 || (conversation.isDone() && begun < toSend.length)) {
        taken.add(new ArrayList<>());
        conversation.begin(toSend[begun], expected[begun]);
        begun++;
      }
    }

    void send(End peer) {
      boolean isData = conversation.hasNext();
      if (!isData && !conversation.mustTell()) {
        return;
      }
      peer.arriving.add(
          new Sent(
              isData,
              conversation.transfer(),
              isData ? conversation.next() : 0,
              conversation.lackingTransfer(),
              conversation.lackingIndex(),
              conversation.damaged()));
      if (isData) {
        conversation.sent();
      } else {
        conversation.told();
      }
    }

    void receive(Random random, int damagePercent) {
      if (arriving.isEmpty()) {
        return;
      }
      Sent sent = arriving.element();
      if (random.nextInt(100) < damagePercent) {
        arriving.remove();
        conversation.foundDamage();
        return;
      }
      conversation.heard(sent.lackingTransfer(), sent.lackingIndex(), sent.damaged());
      Verdict verdict =
          sent.isData() ? conversation.arrived(sent.transfer(), sent.index()) : Verdict.REPEATED;
      if (verdict == Verdict.EARLY) {
        return; // it stays in the stream
      }
      if (verdict == Verdict.TAKE) {
        List<Integer> now = taken.get(taken.size() - 1);
        now.add(sent.index());
        conversation.took(now.size() == expected[begun - 1]);
      }
      if (random.nextInt(100) >= damagePercent / 2) {
        arriving.remove(); // or else it comes again
      }
    }
  }

  @Property(tries = 2000)
  void bringsEachFrameOnceAndInOrderThroughAnyDamage(
      @ForAll @IntRange(min = 0, max = 60) int damagePercent, @ForAll long seed) {
    Random random = new Random(seed);
    int transfers = 1 + random.nextInt(6);
    int[] there = random.ints(transfers, 0, 9).toArray();
    int[] back = random.ints(transfers, 0, 9).toArray();
    End one = new End(there, back);
    End other = new End(back, there);

    int turns = 0;
    while (!one.isAtEnd() || !other.isAtEnd()) {
      assertThat(turns++).as("turns").isLessThan(200_000);
      End end = random.nextBoolean() ? one : other;
      End peer = end == one ? other : one;
      switch (random.nextInt(3)) {
        case 0 -> end.beginNextIfDone();
        case 1 -> end.send(peer);
        default -> end.receive(random, damagePercent);
      }
    }

    for (int t = 0; t < transfers; t++) {
      assertThat(one.taken.get(t)).hasSize(back[t]).isSorted();
      assertThat(other.taken.get(t)).hasSize(there[t]).isSorted();
      assertThat(one.taken.get(t)).doesNotHaveDuplicates();
    }
  }

  @Example
  void asksOnceForEachDamageAndSendsFromThereAgain() {
    Conversation sender = new Conversation();
    Conversation receiver = new Conversation();
    sender.begin(3, 0);
    receiver.begin(0, 3);
    for (int i = 0; i < 3; i++) {
      sender.sent();
    }

    receiver.foundDamage(); // in place of frame 0

    assertThat(receiver.mustTell()).isTrue();
    assertThat(receiver.arrived(1, 1)).isEqualTo(Verdict.SKIPPED);
    sender.heard(receiver.lackingTransfer(), receiver.lackingIndex(), receiver.damaged());
    assertThat(sender.next()).isZero();
    sender.sent();
    sender.heard(receiver.lackingTransfer(), receiver.lackingIndex(), receiver.damaged());
    assertThat(sender.next()).isEqualTo(1);
    assertThat(receiver.arrived(1, 0)).isEqualTo(Verdict.TAKE);
  }

  @Example
  void leavesTheNextTransfersFramesUntilItBegins() {
    Conversation receiver = new Conversation();
    assertThat(receiver.arrived(1, 0)).isEqualTo(Verdict.EARLY);
    receiver.begin(0, 1);
    assertThat(receiver.arrived(1, 0)).isEqualTo(Verdict.TAKE);
    receiver.took(true);
    assertThat(receiver.arrived(1, 0)).isEqualTo(Verdict.REPEATED);
    assertThat(receiver.arrived(2, 0)).isEqualTo(Verdict.EARLY);
  }
}
