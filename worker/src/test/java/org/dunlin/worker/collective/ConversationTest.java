package org.dunlin.worker.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.dunlin.worker.collective.Conversation.Verdict;

/**
 * Members over streams that keep their order and hold a few frames, but damage and repeat what they
 * carry.
 */
class ConversationTest {
  private static final int STREAM_FRAMES = 4;

  /** What a member says where it stands. */
  private record Standing(int lackingTransfer, int lackingIndex, int damaged) {
    static Standing of(Conversation conversation) {
      return new Standing(
          conversation.lackingTransfer(), conversation.lackingIndex(), conversation.damaged());
    }
  }

  private record Sent(
      boolean isIntact, boolean isData, int transfer, int index, Standing standing) {}

  /** One member's end with one other, and what is on its way to it. */
  private static final class End {
    final Conversation conversation = new Conversation();
    final Deque<Sent> arriving = new ArrayDeque<>();
    final Deque<Standing> questions = new ArrayDeque<>();
    final List<List<Integer>> taken = new ArrayList<>();

    void send(End peer, boolean isIntact) {
      if (conversation.mustAsk()) {
        peer.questions.add(Standing.of(conversation));
        conversation.asked();
      }
      boolean isData = conversation.hasNext();
      if (peer.arriving.size() == STREAM_FRAMES || (!isData && !conversation.mustTell())) {
        return;
      }
      peer.arriving.add(
          new Sent(
              isIntact,
              isData,
              conversation.transfer(),
              isData ? conversation.next() : 0,
              Standing.of(conversation)));
      if (isData) {
        conversation.sent();
      } else {
        conversation.told();
      }
    }

    void hear(Standing standing) {
      conversation.heard(standing.lackingTransfer(), standing.lackingIndex(), standing.damaged());
    }

    int taken() {
      return taken.get(taken.size() - 1).size();
    }
  }

  /** Each member's ends with the others, and how many frames each transfer has for each pair. */
  private static final class Mesh {
    final End[][] ends;
    final int[][][] frames; // by transfer, sender and receiver
    final int[] begun;

    Mesh(int members, int transfers, Random random) {
      ends = new End[members][members];
      frames = new int[transfers][members][members];
      begun = new int[members];
      for (int m = 0; m < members; m++) {
        for (int peer = 0; peer < members; peer++) {
          ends[m][peer] = new End();
          for (int[][] transfer : frames) {
            transfer[m][peer] = random.nextInt(9);
          }
        }
      }
    }

    boolean isDone(int member) {
      return peers(member).allMatch(peer -> ends[member][peer].conversation.isDone());
    }

    IntStream peers(int member) {
      return IntStream.range(0, ends.length).filter(peer -> peer != member);
    }

    boolean isAtEnd() {
      return IntStream.range(0, ends.length).allMatch(m -> begun[m] == frames.length && isDone(m));
    }

    void beginNextIfDone(int member) {
      if (begun[member] == frames.length || (begun[member] > 0 && !isDone(member))) {
        return;
      }
      int[][] now = frames[begun[member]++];
      peers(member)
          .forEach(
              peer -> {
                ends[member][peer].taken.add(new ArrayList<>());
                ends[member][peer].conversation.begin(now[member][peer], now[peer][member]);
              });
    }

    // Like a sum: the frame of a chunk waits until those before have come from everyone.
    boolean isWanted(int member, int index) {
      int[][] now = frames[begun[member] - 1];
      return peers(member)
          .allMatch(peer -> ends[member][peer].taken() >= Math.min(index, now[peer][member]));
    }

    void receive(int member, int peer, Random random, int damagePercent) {
      End end = ends[member][peer];
      if (!end.questions.isEmpty()) {
        end.hear(end.questions.remove());
      }
      if (end.arriving.isEmpty()) {
        return;
      }
      Sent sent = end.arriving.element();
      if (!sent.isIntact()) {
        end.arriving.remove();
        end.conversation.foundDamage();
        return;
      }
      end.hear(sent.standing());
      Verdict verdict =
          sent.isData()
              ? end.conversation.arrived(sent.transfer(), sent.index())
              : Verdict.REPEATED;
      if (verdict == Verdict.EARLY
          || (verdict == Verdict.TAKE && !isWanted(member, sent.index()))) {
        return; // it stays in the stream
      }
      if (verdict == Verdict.TAKE) {
        end.taken.get(end.taken.size() - 1).add(sent.index());
        end.conversation.took(end.taken() == frames[begun[member] - 1][peer][member]);
      }
      if (random.nextInt(100) >= damagePercent / 2) {
        end.arriving.remove(); // or else it comes again
      }
    }
  }

  @Property(tries = 2000)
  void bringsEachFrameOnceAndInOrderThroughAnyDamage(
      @ForAll @IntRange(min = 2, max = 4) int members,
      @ForAll @IntRange(min = 0, max = 60) int damagePercent,
      @ForAll long seed) {
    Random random = new Random(seed);
    Mesh mesh = new Mesh(members, 1 + random.nextInt(6), random);

    int turns = 0;
    while (!mesh.isAtEnd()) {
      assertThat(turns++).as("turns").isLessThan(200_000);
      int member = random.nextInt(members);
      int peer = (member + 1 + random.nextInt(members - 1)) % members;
      switch (random.nextInt(3)) {
        case 0 -> mesh.beginNextIfDone(member);
        case 1 ->
            mesh.ends[member][peer].send(
                mesh.ends[peer][member], random.nextInt(100) >= damagePercent);
        default -> mesh.receive(member, peer, random, damagePercent);
      }
    }

    for (int t = 0; t < mesh.frames.length; t++) {
      for (int m = 0; m < members; m++) {
        for (int peer : mesh.peers(m).toArray()) {
          assertThat(mesh.ends[m][peer].taken.get(t))
              .isEqualTo(IntStream.range(0, mesh.frames[t][peer][m]).boxed().toList());
        }
      }
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

    assertThat(receiver.mustAsk()).isTrue();
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
