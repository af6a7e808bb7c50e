package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.Torch;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The loss script against the plain formula in double precision, duplicates masked or not. */
class ContrastTest {
  private static final int HIDDEN = 24;
  private static final double TEMPERATURE = 0.1;

  @ParameterizedTest
  @CsvSource({"1,1,false", "13,1,true", "13,3,false", "13,3,true", "207,2,true"})
  void shouldGiveThePlainFormulasLossAndGradients(int queries, int group, boolean mask) {
    SplittableRandom random = new SplittableRandom(queries + group);
    float[] q = vectors(random, queries);
    int passages = queries * group;
    float[] p = vectors(random, passages);
    long[] hashes = mask ? random.longs(passages, 0, 6).toArray() : new long[0];
    Plain plain = new Plain(q, p, group, hashes);
    try (ComputeThreads threads = new ComputeThreads(1);
        NDManager manager = Torch.newManager()) {
      List<NDList> out =
          threads.run(
              List.of(
                  module ->
                      module.run(
                          "contrast",
                          manager,
                          manager.create(new double[] {TEMPERATURE, queries}),
                          manager.create(new long[] {1, 0, 1}),
                          manager.create(q, new Shape(queries, HIDDEN)),
                          manager.create(p, new Shape(passages, HIDDEN)),
                          manager.create(
                              LongStream.range(0, passages).toArray(), new Shape(queries, group)),
                          manager.create(hashes, new Shape(hashes.length)),
                          manager.create(new float[0], new Shape(0)),
                          manager.create(new long[0], new Shape(0)))));
      assertThat(out.get(0).get(0).getDouble()).isCloseTo(plain.loss, within(1e-5));
      assertClose(out.get(0).get(1).toFloatArray(), plain.queryGradients);
      assertClose(out.get(0).get(2).toFloatArray(), plain.passageGradients);
    }
  }

  private static float[] vectors(SplittableRandom random, int count) {
    float[] values = new float[count * HIDDEN];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble(-0.5, 0.5);
    }
    return values;
  }

  private static void assertClose(float[] found, double[] expected) {
    assertThat(found).hasSize(expected.length);
    for (int i = 0; i < found.length; i++) {
      assertThat((double) found[i]).isCloseTo(expected[i], within(1e-5));
    }
  }

  /** The formula as it is written in the paper, element by element. */
  private static final class Plain {
    private final double[] queryGradients;
    private final double[] passageGradients;
    private double loss;

    Plain(float[] q, float[] p, int group, long[] hashes) {
      this.queryGradients = new double[q.length];
      this.passageGradients = new double[p.length];
      int queries = q.length / HIDDEN;
      int passages = p.length / HIDDEN;
      for (int i = 0; i < queries; i++) {
        double[] weight = new double[passages];
        double total = 0;
        for (int j = 0; j < passages; j++) {
          boolean left = hashes.length > 0 && j != i * group && hashes[j] == hashes[i * group];
          weight[j] = left ? 0 : Math.exp(dot(q, i, p, j) / TEMPERATURE);
          total += weight[j];
        }
        loss -= Math.log(weight[i * group] / total) / queries;
        for (int j = 0; j < passages; j++) {
          double d = (weight[j] / total - (j == i * group ? 1 : 0)) / TEMPERATURE / queries;
          for (int h = 0; h < HIDDEN; h++) {
            queryGradients[i * HIDDEN + h] += d * p[j * HIDDEN + h];
            passageGradients[j * HIDDEN + h] += d * q[i * HIDDEN + h];
          }
        }
      }
    }

    private static double dot(float[] q, int i, float[] p, int j) {
      double sum = 0;
      for (int h = 0; h < HIDDEN; h++) {
        sum += (double) q[i * HIDDEN + h] * p[j * HIDDEN + h];
      }
      return sum;
    }
  }
}
