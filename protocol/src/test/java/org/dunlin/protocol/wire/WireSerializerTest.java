package org.dunlin.protocol.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.actor.ExtendedActorSystem;
import org.dunlin.protocol.batch.StepHeader;
import org.junit.jupiter.api.Test;

class WireSerializerTest {
  /** Its bytes are kept for the other members, and must be no other header's. */
  @Test
  void shouldWriteEachHeaderAsItIsHoweverOftenAndInWhateverOrder() throws Exception {
    ActorSystem system = ActorSystem.create("serializer");
    try {
      WireSerializer serializer = new WireSerializer((ExtendedActorSystem) system);
      List<StepHeader> headers = List.of(header(3, 7), header(3, 8), header(11, 7), header(4, 7));
      for (int round = 0; round < 3; round++) {
        for (StepHeader header : headers) {
          byte[] bytes = serializer.toBinary(header);
          StepHeader read = (StepHeader) serializer.fromBinary(bytes, serializer.manifest(header));
          assertThat(read.step()).isEqualTo(header.step());
          assertThat(read.sampleIds()).isEqualTo(header.sampleIds());
          assertThat(serializer.toBinary(header)).isEqualTo(bytes);
        }
      }
    } finally {
      system.terminate();
    }
  }

  private static StepHeader header(long step, long sample) {
    return new StepHeader(step, 0, 1, new int[] {0, 1}, new long[] {sample}, new long[1], 2, 2);
  }
}
