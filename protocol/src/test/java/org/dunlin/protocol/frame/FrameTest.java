package org.dunlin.protocol.frame;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.agrona.concurrent.UnsafeBuffer;

/** Frames in memory: where each field lies, and that no changed bit passes the check. */
class FrameTest {
  private static final int AT = 64;

  private final ByteBuffer memory = ByteBuffer.allocateDirect(AT + FrameHeader.BYTES + 256);
  private final UnsafeBuffer buffer = new UnsafeBuffer(memory);
  private final FrameChecksum check = new FrameChecksum();

  private FrameHeader write(int payload) {
    FrameHeader.write(
        buffer,
        AT,
        new FrameHeader.Origin(0x11, 0x22, 0x33),
        3,
        0x44,
        0x55,
        0x66,
        0x77,
        0x1_0000_0088L,
        payload);
    FrameHeader.writeStanding(buffer, AT, 0x99, 0xaa, 0xbb, 0x1_0000_00ccL);
    FrameHeader.writeChecksum(buffer, AT, check.of(memory, AT, payload));
    return new FrameHeader().wrap(buffer, AT);
  }

  @Example
  void liesInMemoryAsDrawn() {
    write(4);
    byte[] bytes = new byte[FrameHeader.BYTES];
    buffer.getBytes(AT, bytes);

    String text = HexFormat.of().formatHex(bytes, FrameHeader.CHECKED_FROM, bytes.length);

    assertThat(text)
        .isEqualTo(
            "0100"
                + "0300"
                + "1100000000000000"
                + "2200000000000000"
                + "4400000000000000"
                + "55000000"
                + "66000000"
                + "77000000"
                + "33000000"
                + "8800000001000000"
                + "04000000"
                + "99000000"
                + "aa000000"
                + "bb000000"
                + "cc00000001000000"
                + "00".repeat(FrameHeader.SEAL_BYTES));
  }

  @Property
  void givesBackWhatWasWritten(
      @ForAll long term,
      @ForAll long generation,
      @ForAll @IntRange(min = 0, max = 65535) int kind,
      @ForAll long step,
      @ForAll int number,
      @ForAll long offset) {
    FrameHeader.write(
        buffer,
        AT,
        new FrameHeader.Origin(term, generation, number),
        kind,
        step,
        number + 1,
        number + 2,
        number + 3,
        offset,
        number + 4);
    FrameHeader.writeStanding(buffer, AT, number + 5, number + 6, number + 7, offset + 1);

    FrameHeader header = new FrameHeader().wrap(buffer, AT);

    assertThat(new long[] {header.term(), header.generation(), header.step(), header.offset()})
        .containsExactly(term, generation, step, offset);
    assertThat(header.kind()).isEqualTo(kind);
    assertThat(header.counter()).isEqualTo(offset + 1);
    assertThat(
            new int[] {
              header.sender(),
              header.transfer(),
              header.index(),
              header.node(),
              header.length(),
              header.wantedTransfer(),
              header.wantedIndex(),
              header.damaged()
            })
        .containsExactly(
            number,
            number + 1,
            number + 2,
            number + 3,
            number + 4,
            number + 5,
            number + 6,
            number + 7);
  }

  @Property
  void noticesEveryChangedBit(
      @ForAll @IntRange(min = 0, max = 256) int payload, @ForAll long seed) {
    Random random = new Random(seed);
    byte[] content = new byte[payload];
    random.nextBytes(content);
    buffer.putBytes(AT + FrameHeader.BYTES, content);
    FrameHeader header = write(payload);
    int bytes = FrameHeader.BYTES + payload;
    assertThat(check.isIntact(header, memory, AT, bytes)).isTrue();

    int bit = random.nextInt(bytes * 8);
    buffer.putByte(AT + bit / 8, (byte) (buffer.getByte(AT + bit / 8) ^ (1 << bit % 8)));

    assertThat(check.isIntact(header, memory, AT, bytes)).isFalse();
  }

  @Property
  void noticesEveryOtherLength(
      @ForAll @IntRange(min = 0, max = FrameHeader.BYTES + 256) int arrived) {
    FrameHeader header = write(100);

    assertThat(check.isIntact(header, memory, AT, arrived))
        .isEqualTo(arrived == FrameHeader.BYTES + 100);
  }
}
