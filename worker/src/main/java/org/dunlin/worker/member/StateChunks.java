package org.dunlin.worker.member;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;

/** A device's parameters as chunks for the wire, and back. */
final class StateChunks {
  private StateChunks() {}

  /** All parameters of a device, chunk by chunk; each is copied when it is asked for. */
  static Iterator<StateChunk> read(Device device) {
    List<StateChunk.Piece> pieces =
        device.parameters().entrySet().stream()
            .flatMap(
                parameter ->
                    StateChunk.pieces(Kind.PARAMETER, parameter.getKey(), parameter.getValue()))
            .toList();
    return pieces.stream()
        .map(piece -> piece.read(into -> device.read(piece.tensor(), piece.firstElement(), into)))
        .iterator();
  }

  /** A share of a state, chunk by chunk, as it is kept; each is copied when it is asked for. */
  static final class Share implements AutoCloseable {
    private final Device.Snapshot snapshot;
    private final Iterator<Piece> pieces;

    private record Piece(StateTensor tensor, StateChunk.Piece values) {}

    Share(Device.Snapshot snapshot) {
      this.snapshot = snapshot;
      this.pieces =
          snapshot.tensors().stream()
              .flatMap(
                  of ->
                      StateChunk.pieces(of.kind(), of.tensor().name(), of.tensor().elements())
                          .map(values -> new Piece(of, values)))
              .toList()
              .iterator();
    }

    /**
     * The next one, or none.
     *
     * @param broken told why there is none though there should be
     */
    Optional<StateChunk> next(Consumer<RuntimeException> broken) {
      if (!pieces.hasNext()) {
        return Optional.empty();
      }
      Piece piece = pieces.next();
      try {
        return Optional.of(
            piece
                .values()
                .read(into -> snapshot.read(piece.tensor(), piece.values().firstElement(), into)));
      } catch (RuntimeException e) {
        broken.accept(e);
        throw e;
      }
    }

    @Override
    public void close() {
      snapshot.close();
    }
  }

  /** Counts what arrives, so that a stream that ended early is not taken for a whole one. */
  static final class Receiver {
    private final Device device;
    private final Map<String, Long> missing;
    private long moments;

    Receiver(Device device) {
      this.device = device;
      this.missing = new TreeMap<>(device.parameters());
    }

    void accept(StateChunk chunk) {
      ByteBuffer bytes = chunk.values().duplicate().order(ByteOrder.LITTLE_ENDIAN);
      long elements = bytes.remaining() / Float.BYTES;
      device.write(chunk.kind(), chunk.tensor(), chunk.firstElement(), bytes.asFloatBuffer());
      if (chunk.kind() == Kind.PARAMETER) {
        missing.merge(chunk.tensor(), -elements, Long::sum);
      } else {
        moments += elements;
      }
    }

    // A checkpoint has all moments, a run's beginning none.
    void finish(boolean withMoments) {
      if (withMoments && moments != device.moments()) {
        throw Refusal.run(
            "the state from the coordinator has %d of %d moments"
                .formatted(moments, device.moments()));
      }
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
