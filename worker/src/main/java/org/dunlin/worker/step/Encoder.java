package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.worker.engine.Module;

/** The encoder's scripts with their fixed arguments. Thread-safe: modules are the callers'. */
final class Encoder {
  private final NDArray config;
  private final NDArray epsilon;
  private final State state;
  private final NDArray[] weights;

  /**
   * A micro-batch's dense embeddings with their graph.
   *
   * @param dense [rows, hidden]
   * @param looked [rows, tokens, hidden], the looked-up word embeddings, a leaf of the graph
   */
  record Encoded(NDArray dense, NDArray looked) {}

  Encoder(NDManager manager, EncoderSpec spec, LossSpec loss, State state) {
    this.state = state;
    this.weights = state.weights();
    this.config =
        manager.create(
            new long[] {
              spec.heads(),
              spec.firstPosition(),
              switch (loss.pooling()) {
                case CLS -> 0;
                case MEAN -> 1;
                case LAST_TOKEN -> 2;
              },
              loss.normalize() ? 1 : 0,
              share(spec.hiddenDropout()),
              share(spec.attentionDropout())
            });
    this.epsilon = manager.create(new double[] {spec.layerNormEpsilon()});
  }

  // Masks are drawn from 16 bits; the scripts scale by the share that is really kept.
  private static long share(double probability) {
    return Math.round(probability * 65536);
  }

  Encoded encode(Module module, NDManager manager, MicroBatch batch) {
    NDList out = module.run("encode", manager, arguments(batch));
    return new Encoded(out.get(0), out.get(1));
  }

  /** Without a graph: the calling thread must not record one. */
  NDArray embed(Module module, NDManager manager, MicroBatch batch) {
    return module.run("embed", manager, arguments(batch)).get(0);
  }

  /**
   * Gradients of all parameters but the word embedding, in layout order, then that of the looked-up
   * word embeddings [rows, tokens, hidden].
   */
  NDList gradients(Module module, NDManager manager, Encoded encoded, NDArray upstream) {
    NDArray[] arguments = new NDArray[3 + weights.length];
    arguments[0] = upstream;
    arguments[1] = encoded.dense();
    arguments[2] = encoded.looked();
    System.arraycopy(weights, 0, arguments, 3, weights.length);
    return module.run("gradients", manager, arguments);
  }

  private NDArray[] arguments(MicroBatch batch) {
    NDArray[] arguments = new NDArray[6 + weights.length];
    arguments[0] = config;
    arguments[1] = epsilon;
    arguments[2] = batch.ids();
    arguments[3] = batch.lengths();
    arguments[4] = batch.keys();
    arguments[5] = state.word();
    System.arraycopy(weights, 0, arguments, 6, weights.length);
    return arguments;
  }
}
