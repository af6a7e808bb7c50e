package org.dunlin.conf.evaluate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.LongConsumer;
import org.dunlin.data.feed.Feed;
import org.dunlin.data.feed.StepBatch;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.step.StepCompute;
import org.dunlin.worker.trace.Trace;

/**
 * The loss that a run minimises, over held-out pairs: what its first epoch would show of them with
 * the model as it is and no dropout, as the mean over their queries. Batches, negatives, heads and
 * distillation are those of the run; self-distillation counts from the first step on. The steps are
 * computed by the code that trains, gradient included, and are not applied.
 */
public final class DevLoss {
  private double sum;
  private long queries;

  private DevLoss() {}

  /**
   * Measures a model.
   *
   * @param model with all of its heads; stays open
   * @param samples held-out pairs; stay open
   * @param spec the run's, over these samples and without dropout
   * @param threads compute threads, at least 1
   * @param devices on this machine, this one among them
   * @param progress is told how many steps are measured
   * @throws org.dunlin.protocol.Refusal if something is wrong with the data
   */
  public static double measure(
      ModelFolder model,
      SampleFiles samples,
      RunSpec spec,
      int threads,
      int devices,
      LongConsumer progress) {
    try (Tokenizer tokenizer = Tokenizer.open(model.path());
        StepCompute device =
            StepCompute.among(devices, spec, threads, Trace.NONE, HangWatch.NONE)) {
      load(model, device);
      DevLoss loss = new DevLoss();
      Feed.firstEpoch(
          samples,
          tokenizer,
          spec,
          step -> {
            loss.add(device, step);
            progress.accept(step.header().step() + 1);
          });
      return loss.sum / loss.queries;
    }
  }

  private void add(StepCompute device, StepBatch step) {
    int slots = step.header().firstQuery().length - 1;
    double mean =
        Arrays.stream(
                device
                    .compute(step.header(), step.slots(), new Alone(), new int[] {0, slots})
                    .slotLosses())
            .sum();
    int count = step.header().firstQuery()[slots];
    sum += mean * count;
    queries += count;
  }

  private static void load(ModelFolder folder, StepCompute device) {
    for (Tensor tensor : folder.tensors()) {
      for (StateChunk.Piece piece :
          StateChunk.pieces(Kind.PARAMETER, tensor.name(), tensor.elements()).toList()) {
        ByteBuffer values =
            piece.read(into -> folder.read(tensor, piece.firstElement(), into)).values();
        device.write(
            tensor.name(),
            piece.firstElement(),
            values.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer());
      }
    }
  }
}
