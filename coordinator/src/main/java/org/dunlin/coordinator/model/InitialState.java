package org.dunlin.coordinator.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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

  /** Every tensor that training needs, in order. The folder must stay open while it is read. */
  public static Source<StateChunk, NotUsed> of(ModelFolder folder) {
    return Source.fromIterator(
            () -> folder.tensors().stream().flatMap(tensor -> chunks(folder, tensor)).iterator())
        .withAttributes(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId()));
  }

  private static Stream<StateChunk> chunks(ModelFolder folder, Tensor tensor) {
    long elements = tensor.elements();
    return LongStream.range(0, (elements + FLOATS - 1) / FLOATS)
        .mapToObj(
            chunk -> {
              long first = chunk * FLOATS;
              int floats = (int) Math.min(FLOATS, elements - first);
              ByteBuffer bytes =
                  ByteBuffer.allocate(floats * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
              folder.read(tensor, first, bytes.asFloatBuffer());
              return new StateChunk(tensor.name(), first, bytes.asReadOnlyBuffer());
            });
  }
}
