package org.dunlin.coordinator.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import org.apache.pekko.Done;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.StreamRefAttributes;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.dunlin.data.checkpoint.PartWriter;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator.ShareOffered;

/** A share of a checkpoint on its way from a member to the disk. */
final class SentShare {
  // Of at most 1 MiB each: what is on the wire, or here, before the disk has it. Control messages
  // of
  // the same member wait behind no more than these.
  private static final int UNDER_WAY = 2;

  private SentShare() {}

  /**
   * Writes one on threads that may wait for the disk.
   *
   * @param folder of the checkpoint
   * @param tensors of the share, in its order
   * @param until ends it early
   * @return fails with a Refusal if the disk does not take it, else if its stream broke
   */
  static CompletionStage<CheckpointPart> write(
      Path folder,
      ShareOffered share,
      List<StateTensor> tensors,
      SharedKillSwitch until,
      Materializer materializer) {
    Executor files =
        materializer.system().dispatchers().lookup(Dispatchers.DefaultBlockingDispatcherId());
    return CompletableFuture.supplyAsync(() -> create(folder, share, tensors), files)
        .whenComplete((writer, error) -> cancelIf(error != null, share, materializer))
        .thenCompose(
            writer ->
                receive(writer, share, until, materializer)
                    .handleAsync((done, error) -> finish(writer, error), files));
  }

  private static PartWriter create(Path folder, ShareOffered share, List<StateTensor> tensors) {
    try {
      return PartWriter.create(
          folder, share.worker().toString(), share.share(), share.shares(), tensors);
    } catch (IOException e) {
      throw refused(e);
    }
  }

  // Nobody would take it, and the member keeps it until somebody does.
  private static void cancelIf(boolean failed, ShareOffered share, Materializer materializer) {
    if (failed) {
      share.values().getSource().runWith(Sink.cancelled(), materializer);
    }
  }

  private static CompletionStage<Done> receive(
      PartWriter writer, ShareOffered share, SharedKillSwitch until, Materializer materializer) {
    // All of it on one dispatcher: between two there would be a buffer more.
    return share
        .values()
        .getSource()
        .via(until.flow())
        .toMat(Sink.<StateChunk>foreach(chunk -> put(writer, chunk)), Keep.right())
        .withAttributes(
            StreamRefAttributes.bufferCapacity(UNDER_WAY)
                .and(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId())))
        .run(materializer);
  }

  private static void put(PartWriter writer, StateChunk chunk) {
    try {
      writer.put(chunk.kind(), chunk.tensor(), chunk.firstElement(), chunk.values());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static CheckpointPart finish(PartWriter created, Throwable error) {
    try (PartWriter writer = created) {
      if (error != null) {
        throw error instanceof UncheckedIOException disk
            ? refused(disk.getCause())
            : new CompletionException(error);
      }
      return writer.finish();
    } catch (IOException e) {
      throw refused(e);
    }
  }

  // A part's writer has said it in a sentence.
  private static Refusal refused(IOException e) {
    return Refusal.run(e.getMessage(), e);
  }
}
