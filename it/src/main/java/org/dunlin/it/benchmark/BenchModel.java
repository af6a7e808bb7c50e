package org.dunlin.it.benchmark;

import java.nio.FloatBuffer;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.worker.member.Device;

/** The peer's model sizes, filled with random weights. */
enum BenchModel {
  TINY(128, 2, 2, 512, 30_522, EncoderSpec.Family.BERT),
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

  EncoderSpec encoder() {
    int padId = family == EncoderSpec.Family.XLM_ROBERTA ? 1 : 0;
    return new EncoderSpec(
        family, vocabulary, POSITIONS, 2, hidden, layers, heads, feedForward, 1e-12, padId, 0, 0);
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
