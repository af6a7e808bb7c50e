package org.dunlin.coordinator.model;

import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.pekko.NotUsed;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;

/** A model folder's weights as a stream of chunks, read as the receiver asks for them. */
public final class InitialState {
  private InitialState() {}

  /** Every tensor that training needs, in order. The folder must stay open while it is read. */
  public static Source<StateChunk, NotUsed> of(ModelFolder folder) {
    List<Supplier<StateChunk>> reads =
        folder.tensors().stream().flatMap(tensor -> reads(folder, tensor)).toList();
    return Source.from(reads)
        .map(Supplier::get)
        .withAttributes(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId()));
  }

  private static Stream<Supplier<StateChunk>> reads(ModelFolder folder, Tensor tensor) {
    return StateChunk.pieces(Kind.PARAMETER, tensor.name(), tensor.elements())
        .map(piece -> () -> piece.read(into -> folder.read(tensor, piece.firstElement(), into)));
  }
}
