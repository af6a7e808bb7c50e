package org.dunlin.worker.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.aeron.logbuffer.ControlledFragmentHandler.Action;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.agrona.concurrent.UnsafeBuffer;
import org.dunlin.protocol.frame.FrameChecksum;
import org.dunlin.protocol.frame.FrameHeader;
import org.dunlin.worker.collective.Exchange.Kind;
import org.dunlin.worker.collective.FrameCounts.Count;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Frames as they may lie in a stream: what is taken, what is dropped, and how it is counted. */
class InboxTest {
  private static final int FLOATS = 4;
  private static final int BYTES = FrameHeader.BYTES + FLOATS * Float.BYTES;

  private final Conversation conversation = new Conversation();
  private final FrameCounts counts = new FrameCounts();
  private final Inbox inbox = new Inbox(new FrameHeader.Origin(2, 3, 1), conversation, counts);
  private final FloatBuffer whole = FloatBuffer.allocate(2 * FLOATS);
  private final ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
  private final UnsafeBuffer stream = new UnsafeBuffer(memory);

  InboxTest() {
    Gather gather =
        new Gather(
            Kind.EMBEDDINGS,
            8,
            new Words.Floats(whole),
            new int[] {0, FLOATS, 2 * FLOATS},
            Float.BYTES,
            0,
            64,
            () -> FLOATS);
    inbox.begin(gather);
    conversation.begin(0, 1);
  }

  private void write(long term, long generation, int sender, long step) {
    for (int i = 0; i < FLOATS; i++) {
      stream.putFloat(FrameHeader.BYTES + i * Float.BYTES, i + 1);
    }
    FrameHeader.write(
        stream,
        0,
        new FrameHeader.Origin(term, generation, sender),
        Kind.EMBEDDINGS.code(),
        step,
        1,
        0,
        0,
        FLOATS * Float.BYTES,
        FLOATS * Float.BYTES);
    FrameHeader.writeStanding(stream, 0, 1, 0, 0, 1);
    int payload = BYTES - FrameHeader.BYTES;
    FrameHeader.writeChecksum(stream, 0, new FrameChecksum().of(memory, 0, payload));
  }

  private Action offer(int length) {
    return inbox.onFragment(stream, 0, length, null);
  }

  private long[] counted() {
    return new long[] {counts.of(Count.CORRUPT), counts.of(Count.STALE), counts.of(Count.REPEATED)};
  }

  @Test
  void takesWhatIsExpectedOnce() {
    write(2, 3, 1, 8);

    assertThat(offer(BYTES)).isEqualTo(Action.COMMIT);
    assertThat(offer(BYTES)).isEqualTo(Action.COMMIT);

    assertThat(whole.array()).containsExactly(0, 0, 0, 0, 1, 2, 3, 4);
    assertThat(counted()).containsExactly(0, 0, 1);
  }

  @ParameterizedTest
  @CsvSource({"1, 3, 1", "3, 3, 1", "2, 2, 1", "2, 4, 1", "2, 3, 2"})
  void dropsAndCountsWhatIsOfAnotherTermGenerationOrSender(long term, long generation, int sender) {
    write(term, generation, sender, 8);

    assertThat(offer(BYTES)).isEqualTo(Action.COMMIT);

    assertThat(whole.array()).containsOnly(0);
    assertThat(counted()).containsExactly(0, 1, 0);
    assertThat(conversation.mustAsk()).isFalse();
  }

  @ParameterizedTest
  @CsvSource({"0", "9", "40", "95", "96", "111"})
  void dropsCountsAndAsksAgainForWhatIsDamaged(int at) {
    write(2, 3, 1, 8);
    stream.putByte(at, (byte) (stream.getByte(at) ^ 4));

    assertThat(offer(BYTES)).isEqualTo(Action.COMMIT);

    assertThat(whole.array()).containsOnly(0);
    assertThat(counted()).containsExactly(1, 0, 0);
    assertThat(conversation.mustAsk()).isTrue();
    assertThat(conversation.damaged()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource({"0", "4", "95", "96", "108"})
  void dropsWhatIsCutShort(int length) {
    write(2, 3, 1, 8);

    assertThat(offer(length)).isEqualTo(Action.COMMIT);

    assertThat(counted()).containsExactly(1, 0, 0);
  }

  @Test
  void refusesAFrameOfAnotherStepWithBothValues() {
    write(2, 3, 1, 9);

    assertThat(offer(BYTES)).isEqualTo(Action.ABORT);

    assertThatThrownBy(inbox::throwFailure)
        .hasMessageContaining("step=9")
        .hasMessageContaining("(expected: EMBEDDINGS, step=8)");
  }
}
