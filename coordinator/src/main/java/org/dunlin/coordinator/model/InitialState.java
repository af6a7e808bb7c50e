package org.dunlin.coordinator.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.message.StateChunk;

/** A model folder's weights as a stream of chunks, read as the receiver asks for them. */
public final class InitialState {
  private static final int FLOATS = StateChunk.MAX_BYTES / Float.BYTES;

  private InitialState() {}

  private record Piece(Tensor tensor, long firstElement, int floats) {}

  /** Every tensor that training needs, in order. The folder must stay open while it is read. */
  public static Source<StateChunk, NotUsed> of(ModelFolder folder) {
    List<Piece> pieces = folder.tensors().stream().flatMap(InitialState::pieces).toList();
    return Source.from(pieces)
        .map(piece -> read(folder, piece))
        .withAttributes(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId()));
  }

  private static Stream<Piece> pieces(Tensor tensor) {
    return LongStream.range(0, (tensor.elements() + FLOATS - 1) / FLOATS)
        .map(chunk -> chunk * FLOATS)
        .mapToObj(
            first -> new Piece(tensor, first, (int) Math.min(FLOATS, tensor.elements() - first)));
  }

  private static StateChunk read(ModelFolder folder, Piece piece) {
    ByteBuffer bytes =
        ByteBuffer.allocate(piece.floats() * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    folder.read(piece.tensor(), piece.firstElement(), bytes.asFloatBuffer());
    return new StateChunk(piece.tensor().name(), piece.firstElement(), bytes.asReadOnlyBuffer());
  }
}
