package org.dunlin.coordinator.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import org.apache.pekko.Done;
import org.apache.pekko.NotUsed;
import org.apache.pekko.dispatch.Dispatchers;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.ModelWriter;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.run.RunSpec;

/** Writes the trained parameters as a Hugging Face folder. */
public final class ModelExport implements Run.ModelSink {
  private final ModelFolder source;
  private final RunSpec spec;
  private final Path runFolder;

  /**
   * @param source the model that training started from; stays open until the run is over
   * @param runFolder the model is written to {@code model/} in it, or, where steps are left, to
   *     {@code model-after-N-steps/}
   */
  public ModelExport(ModelFolder source, RunSpec spec, Path runFolder) {
    this.source = source;
    this.spec = spec;
    this.runFolder = runFolder;
  }

  @Override
  public CompletionStage<RunEvent.Saved> save(
      long steps, boolean isDone, Source<StateChunk, NotUsed> state, Materializer materializer) {
    Path target = runFolder.resolve(isDone ? "model" : "model-after-" + steps + "-steps");
    Executor files =
        materializer.system().dispatchers().lookup(Dispatchers.DefaultBlockingDispatcherId());
    return CompletableFuture.supplyAsync(() -> begin(target), files)
        .thenCompose(
            writer ->
                state
                    .runWith(into(writer), materializer)
                    .handleAsync((done, error) -> finish(writer, steps, target, error), files));
  }

  private ModelWriter begin(Path target) {
    try {
      return new ModelWriter(source, spec.loss(), target);
    } catch (IOException e) {
      throw refused(target, e);
    }
  }

  private static Sink<StateChunk, CompletionStage<Done>> into(ModelWriter writer) {
    return Sink.<StateChunk>foreach(c -> writer.put(c.tensor(), c.firstElement(), c.values()))
        .withAttributes(ActorAttributes.dispatcher(Dispatchers.DefaultBlockingDispatcherId()));
  }

  private static RunEvent.Saved finish(
      ModelWriter writer, long steps, Path target, Throwable error) {
    try (writer) {
      if (error != null) {
        throw error instanceof UncheckedIOException io
            ? refused(target, io.getCause())
            : new CompletionException(error);
      }
      return new RunEvent.Saved(steps, target.toString(), writer.finish());
    } catch (IOException e) {
      throw refused(target, e);
    }
  }

  private static Refusal refused(Path target, IOException e) {
    return Refusal.run("the model cannot be written to " + target + ": " + e.getMessage(), e);
  }
}
