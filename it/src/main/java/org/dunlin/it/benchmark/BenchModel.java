package org.dunlin.it.benchmark;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.member.Device;

/** The peer's model sizes, filled with random weights. */
enum BenchModel {
  TINY(128, 2, 2, 512, 30_522, EncoderSpec.Family.BERT),
  TINY_MULTILINGUAL(128, 2, 2, 512, 250_002, EncoderSpec.Family.XLM_ROBERTA),
  SMALL(384, 12, 12, 1536, 30_522, EncoderSpec.Family.BERT),
  BASE(768, 12, 12, 3072, 250_002, EncoderSpec.Family.XLM_ROBERTA),
  LARGE(1024, 24, 16, 4096, 250_002, EncoderSpec.Family.XLM_ROBERTA);

  private static final int POSITIONS = 8194;
  private static final int CHUNK = 1 << 16;
  private static final float DEVIATION = 0.02f;

  private final int hidden;
  private final int layers;
  private final int heads;
  private final int feedForward;
  private final int vocabulary;
  private final EncoderSpec.Family family;

  BenchModel(
      int hidden,
      int layers,
      int heads,
      int feedForward,
      int vocabulary,
      EncoderSpec.Family family) {
    this.hidden = hidden;
    this.layers = layers;
    this.heads = heads;
    this.feedForward = feedForward;
    this.vocabulary = vocabulary;
    this.family = family;
  }

  /**
   * A made-up encoder of the large one's width, but 30 522 words and 514 positions, with as many
   * layers as make its state of so many MiB.
   */
  static EncoderSpec ofStateMib(int mib) {
    long one = parameters(wide(1));
    long layer = parameters(wide(2)) - one;
    long wanted = ((long) mib << 20) / (3 * Float.BYTES); // it has two moments
    return wide(Math.toIntExact(Math.max(1, 1 + Math.round((wanted - one) / (double) layer))));
  }

  private static EncoderSpec wide(int layers) {
    return new EncoderSpec(
        EncoderSpec.Family.BERT,
        SMALL.vocabulary,
        514,
        2,
        LARGE.hidden,
        layers,
        LARGE.heads,
        LARGE.feedForward,
        1e-12,
        0,
        0,
        0);
  }

  private static long parameters(EncoderSpec encoder) {
    return EncoderTensors.expected(encoder, HeadSpec.DENSE).stream()
        .mapToLong(Tensor::elements)
        .sum();
  }

  EncoderSpec encoder() {
    int padId = family == EncoderSpec.Family.XLM_ROBERTA ? 1 : 0;
    return new EncoderSpec(
        family, vocabulary, POSITIONS, 2, hidden, layers, heads, feedForward, 1e-12, padId, 0, 0);
  }

  /**
   * A run that trains it.
   *
   * @param unified all three heads, not the dense one alone
   */
  RunSpec run(BatchSpec batch, boolean unified, ComputeSpec compute) {
    return run(encoder(), batch, unified, compute);
  }

  /** The same of any encoder. */
  static RunSpec run(EncoderSpec encoder, BatchSpec batch, boolean unified, ComputeSpec compute) {
    return new RunSpec(
        "benchmark",
        1,
        1_000_000,
        encoder,
        unified ? HeadSpec.unified(encoder.hidden(), List.of(0, 1, 2, 3)) : HeadSpec.DENSE,
        "",
        "",
        DataSpec.PLAIN,
        batch,
        LossSpec.contrastive(LossSpec.Pooling.CLS, true, 0.02, false),
        new OptimizerSpec(1e-5, OptimizerSpec.Schedule.CONSTANT, 0, 0, 0.9, 0.999, 1e-8, 1),
        compute);
  }

  /** BERT's own initialisation: normal, deviation 0.02; LayerNorm 1 and 0. */
  static void fill(Device device) {
    RandomGenerator random = new SplittableRandom(7);
    float[] values = new float[CHUNK];
    for (Map.Entry<String, Long> parameter : device.parameters().entrySet()) {
      boolean one = parameter.getKey().endsWith("LayerNorm.weight");
      for (long first = 0; first < parameter.getValue(); first += CHUNK) {
        int count = (int) Math.min(CHUNK, parameter.getValue() - first);
        for (int i = 0; i < count; i++) {
          values[i] = one ? 1 : (float) (random.nextGaussian() * DEVIATION);
        }
        device.write(parameter.getKey(), first, FloatBuffer.wrap(values, 0, count));
      }
    }
  }
}
