package org.dunlin.conf.evaluate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongConsumer;
import org.dunlin.conf.settings.Settings;
import org.dunlin.data.feed.Feed;
import org.dunlin.data.feed.StepBatch;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
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
  /** What it is not that of training. */
  private static final Map<String, Object> AS_IT_IS =
      Map.of(
          "model.hidden-dropout", 0,
          "model.attention-dropout", 0,
          "loss.self-distillation-start-step", -1);

  private static final int CHUNK_FLOATS = 1 << 18;

  private double sum;
  private long queries;

  private DevLoss() {}

  /**
   * Measures a model.
   *
   * @param runConf settings of the run
   * @param model a folder with all of its heads
   * @param threads compute threads, at least 1
   * @param workers that train on this machine meanwhile
   * @param progress is told how many steps are measured
   * @throws org.dunlin.protocol.Refusal if something is wrong with the data
   */
  public static double measure(
      Path runConf, Path model, int threads, int workers, LongConsumer progress) {
    Settings settings = Settings.load(Optional.of(runConf), AS_IT_IS);
    try (ModelFolder folder = settings.withHeads(ModelFolder.open(model));
        SampleFiles samples = SampleFiles.open(settings.evaluationData());
        Tokenizer tokenizer = Tokenizer.open(model)) {
      RunSpec spec = settings.runSpec(folder, 1, samples.sha256());
      try (StepCompute device =
          StepCompute.among(1 + workers, spec, threads, Trace.NONE, HangWatch.NONE)) {
        load(folder, device);
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
    FloatBuffer chunk =
        ByteBuffer.allocateDirect(CHUNK_FLOATS * Float.BYTES)
            .order(ByteOrder.LITTLE_ENDIAN)
            .asFloatBuffer();
    for (Tensor tensor : folder.tensors()) {
      for (long first = 0; first < tensor.elements(); first += CHUNK_FLOATS) {
        chunk.clear().limit((int) Math.min(CHUNK_FLOATS, tensor.elements() - first));
        folder.read(tensor, first, chunk);
        device.write(tensor.name(), first, chunk.flip());
      }
    }
  }
}
