package org.dunlin.worker.collective;

import static org.assertj.core.api.Assertions.assertThat;

import io.aeron.driver.DataPacketDispatcher;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ext.DebugReceiveChannelEndpoint;
import io.aeron.driver.ext.RandomLossGenerator;
import io.aeron.driver.media.UdpChannel;
import io.aeron.protocol.DataHeaderFlyweight;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.Random;
import org.agrona.concurrent.UnsafeBuffer;
import org.agrona.concurrent.status.AtomicCounter;
import org.dunlin.protocol.frame.FrameHeader;
import org.dunlin.worker.collective.FrameCounts.Count;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Members of several hosts, which are media drivers of this process with UDP between them, over a
 * network that loses, swaps, repeats and damages packets: sums keep their bits.
 */
class BadNetworkTest {
  private static final int[] SIZES = {1, 13, 207, 1021, 300_000};

  /**
   * How many packets of a hundred are lost; and of how many about one is swapped with the next,
   * repeated, damaged: 0 for none. At random: were it each third packet, three frames that are sent
   * again because of the first would for ever be sent in vain.
   */
  private record Faults(int lost, int swapped, int repeated, int damaged) {
    MediaDriver.Context in(MediaDriver.Context context) {
      return context.receiveChannelEndpointSupplier(
          (channel, dispatcher, status, own) ->
              new BadEndpoint(channel, dispatcher, status, own, this));
    }
  }

  private static final class BadEndpoint extends DebugReceiveChannelEndpoint {
    private final Random random = new Random(11);
    private final Faults faults;
    private final UnsafeBuffer held = new UnsafeBuffer(ByteBuffer.allocateDirect(1 << 16));
    private final DataHeaderFlyweight heldHeader = new DataHeaderFlyweight();
    private int heldLength;

    BadEndpoint(
        UdpChannel channel,
        DataPacketDispatcher dispatcher,
        AtomicCounter status,
        MediaDriver.Context context,
        Faults faults) {
      super(
          channel,
          dispatcher,
          status,
          context,
          new RandomLossGenerator(faults.lost() / 100.0, 7),
          new RandomLossGenerator(faults.lost() / 100.0, 8));
      this.faults = faults;
    }

    @Override
    public int onDataPacket(
        DataHeaderFlyweight header,
        UnsafeBuffer buffer,
        int length,
        InetSocketAddress source,
        int transport) {
      if (length <= DataHeaderFlyweight.HEADER_LENGTH) {
        return super.onDataPacket(header, buffer, length, source, transport);
      }
      if (meets(faults.damaged())) {
        // In the first frame, after Aeron's own header: UDP's checksum would guard the headers.
        int more = header.frameLength() - DataHeaderFlyweight.HEADER_LENGTH;
        int at =
            DataHeaderFlyweight.HEADER_LENGTH
                + random.nextInt(Math.min(more, FrameHeader.BYTES + 1));
        buffer.putByte(at, (byte) (buffer.getByte(at) ^ (1 << random.nextInt(8))));
      }
      if (heldLength == 0 && meets(faults.swapped())) {
        held.putBytes(0, buffer, 0, length);
        heldLength = length;
        return 0;
      }
      int bytes = super.onDataPacket(header, buffer, length, source, transport);
      if (meets(faults.repeated())) {
        bytes += super.onDataPacket(header, buffer, length, source, transport);
      }
      if (heldLength > 0) {
        heldHeader.wrap(held);
        bytes += super.onDataPacket(heldHeader, held, heldLength, source, transport);
        heldLength = 0;
      }
      return bytes;
    }

    private boolean meets(int oneOf) {
      return oneOf > 0 && random.nextInt(oneOf) == 0;
    }
  }

  @ParameterizedTest
  @CsvSource({
    "2, 0, 0, 0, 0",
    "2, 5, 0, 0, 0",
    "2, 0, 5, 7, 0",
    "2, 0, 0, 0, 9",
    "3, 0, 0, 0, 3",
    "3, 2, 5, 7, 8",
    "4, 1, 5, 7, 8"
  })
  void shouldSumToTheSameBits(int members, int lost, int swapped, int repeated, int damaged)
      throws Exception {
    Faults faults = new Faults(lost, swapped, repeated, damaged);
    // With four members each host has two: streams of both kinds at once.
    int hosts = members == 4 ? 2 : members;
    try (Members together = new Members(members, hosts, faults::in).connect()) {
      for (int size : SIZES) {
        CollectivesTest.reducesLikeAlone(together, size, 31L * members + size);
      }
      long corrupt = 0;
      long resent = 0;
      for (int m = 0; m < members; m++) {
        corrupt += together.plane(m).counts().of(Count.CORRUPT);
        resent += together.plane(m).counts().of(Count.RESENT);
      }
      assertThat(corrupt > 0).as("corrupt frames: %d", corrupt).isEqualTo(damaged > 0);
      assertThat(resent > 0).as("frames sent again: %d", resent).isEqualTo(damaged > 0);
    }
  }

  /** As many floats as a small model has, on a network that does all of it, but seldom. */
  @Tag("long")
  @ParameterizedTest
  @ValueSource(ints = {2, 4})
  void shouldSumAsManyFloatsAsASmallModelHas(int members) throws Exception {
    Faults faults = new Faults(1, 50, 70, 90);
    try (Members together = new Members(members, 2, faults::in).connect()) {
      CollectivesTest.sumsOneBlockAMember(together, 22_000_000);
      long corrupt = 0;
      for (int m = 0; m < members; m++) {
        corrupt += together.plane(m).counts().of(Count.CORRUPT);
      }
      assertThat(corrupt).isPositive();
    }
  }
}
