package org.dunlin.worker.step;

import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.stream.Stream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.tokens.TokenPair;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.engine.Torch;

/**
 * Scores pairs of texts that pass the encoder together, as XLMRobertaForSequenceClassification and
 * BertForSequenceClassification do with one label. One caller at a time. Close it: it owns threads
 * and native memory.
 */
public final class Reranker implements AutoCloseable {
  private final Inference inference;

  /**
   * Copies the weights; the model may be closed afterwards.
   *
   * @param model with its classifier
   * @param computeThreads at least 1
   */
  public Reranker(ModelFolder model, int computeThreads) {
    LossSpec unused = LossSpec.contrastive(Pooling.CLS, false, 1, false);
    this.inference = new Inference(model, HeadSpec.DENSE, unused, computeThreads);
  }

  /** The longest pair that may be given, in tokens. */
  public int maxTokens() {
    return inference.spec().maxTokens();
  }

  /**
   * Raw scores (logits) of pairs.
   *
   * @param pairs 1 to {@link #maxTokens} tokens each
   */
  public float[] score(TokenPair[] pairs) {
    boolean types = inference.spec().family() == Family.BERT && inference.spec().tokenTypes() > 1;
    float[] scores = new float[pairs.length];
    inference.run(
        Stream.of(pairs).map(TokenPair::ids).toArray(int[][]::new),
        done -> {},
        (module, scope, batch) -> {
          int[] rows = types ? batch.rows() : new int[0];
          long[] seconds = Arrays.stream(rows).mapToLong(row -> pairs[row].second()).toArray();
          FloatBuffer found =
              Torch.floats(
                  inference
                      .encoder()
                      .rank(
                          module, scope, batch, scope.create(seconds, new Shape(seconds.length))));
          for (int row : batch.rows()) {
            scores[row] = found.get();
          }
        });
    return scores;
  }

  /** A raw score as a number from 0 to 1. */
  public static double sigmoid(double score) {
    return 1 / (1 + Math.exp(-score));
  }

  @Override
  public void close() {
    inference.close();
  }
}
