package org.dunlin.worker.member;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.StateChunk;

/** A device's parameters as chunks for the wire, and back. */
final class StateChunks {
  private static final int FLOATS = StateChunk.MAX_BYTES / Float.BYTES;

  private StateChunks() {}

  private record Piece(String parameter, long firstElement, int floats) {}

  /**
   * All parameters of a device, chunk by chunk; each is copied when it is asked for. (An iterator
   * over nested streams would copy a whole parameter at once.)
   */
  static Iterator<StateChunk> read(Device device) {
    List<Piece> pieces =
        device.parameters().entrySet().stream()
            .flatMap(parameter -> pieces(parameter.getKey(), parameter.getValue()))
            .toList();
    return pieces.stream().map(piece -> read(device, piece)).iterator();
  }

  private static Stream<Piece> pieces(String parameter, long elements) {
    return LongStream.range(0, (elements + FLOATS - 1) / FLOATS)
        .map(chunk -> chunk * FLOATS)
        .mapToObj(first -> new Piece(parameter, first, (int) Math.min(FLOATS, elements - first)));
  }

  private static StateChunk read(Device device, Piece piece) {
    ByteBuffer bytes =
        ByteBuffer.allocate(piece.floats() * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    device.read(piece.parameter(), piece.firstElement(), bytes.asFloatBuffer());
    return new StateChunk(piece.parameter(), piece.firstElement(), bytes.asReadOnlyBuffer());
  }

  /** Counts what arrives, so that a stream that ended early is not taken for a whole one. */
  static final class Receiver {
    private final Device device;
    private final Map<String, Long> missing;

    Receiver(Device device) {
      this.device = device;
      this.missing = new TreeMap<>(device.parameters());
    }

    void accept(StateChunk chunk) {
      ByteBuffer bytes = chunk.values().duplicate().order(ByteOrder.LITTLE_ENDIAN);
      long elements = bytes.remaining() / Float.BYTES;
      device.write(chunk.tensor(), chunk.firstElement(), bytes.asFloatBuffer());
      missing.merge(chunk.tensor(), -elements, Long::sum);
    }

    void finish() {
      missing.forEach(
          (parameter, elements) -> {
            if (elements != 0) {
              throw Refusal.run(
                  "the state from the coordinator lacks %d elements of %s"
                      .formatted(elements, parameter));
            }
          });
    }
  }
}
