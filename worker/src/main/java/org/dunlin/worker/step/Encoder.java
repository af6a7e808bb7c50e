package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.protocol.run.ActivationBytes;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.engine.Module;

/** The encoder's scripts with their fixed arguments. Thread-safe: modules are the callers'. */
final class Encoder {
  private final EncoderSpec spec;
  private final Precision precision;
  private final int outputs;
  private final NDArray config;
  private final NDArray epsilon;
  private final Staging staging;
  private final boolean writesAttentionOut;

  /**
   * A micro-batch on its way.
   *
   * @param out dense embeddings [rows, width]; with heads also lexical weights [rows, tokens] and
   *     token vectors [rows, tokens - 1, width]
   * @param kept what the backward pass needs: the looked-up word embeddings, a leaf of the graph
   *     that {@code out} has; or by layers what each layer was given
   */
  record Encoded(List<NDArray> out, List<NDArray> kept) {
    void close() {
      new NDList(out).close();
      new NDList(kept).close();
    }
  }

  /** On the processor, with float32 factors. */
  Encoder(NDManager manager, EncoderSpec spec, HeadSpec heads, LossSpec loss, State state) {
    this(
        manager,
        spec,
        heads,
        loss,
        Precision.FP32,
        EncoderDevice.PROCESSOR,
        state.frozen(),
        new Staging.InPlace(state));
  }

  Encoder(
      NDManager manager,
      EncoderSpec spec,
      HeadSpec heads,
      LossSpec loss,
      Precision precision,
      EncoderDevice device,
      Frozen frozen,
      Staging staging) {
    this.spec = spec;
    this.precision = precision;
    this.staging = staging;
    this.writesAttentionOut = device.writesAttentionOut();
    this.outputs = heads.unified() ? 3 : 1;
    List<Long> numbers = new ArrayList<>();
    numbers.add((long) spec.heads());
    numbers.add((long) spec.firstPosition());
    numbers.add(
        switch (loss.pooling()) {
          case CLS -> 0L;
          case MEAN -> 1L;
          case LAST_TOKEN -> 2L;
        });
    numbers.add(loss.normalize() ? 1L : 0);
    numbers.add(share(spec.hiddenDropout()));
    numbers.add(share(spec.attentionDropout()));
    numbers.add(heads.unified() ? 1L : 0);
    numbers.add(
        switch (frozen) {
          case NOTHING -> 0L;
          case POSITIONS -> 1L;
          case ENCODER -> 2L;
        });
    numbers.add(
        switch (precision) {
          case FP32 -> 6L;
          case BF16 -> 15L;
          case FP16 -> 5L;
        });
    numbers.add(writesAttentionOut ? 1L : 0);
    loss.matryoshkaDims().forEach(width -> numbers.add((long) width));
    this.config = manager.create(numbers.stream().mapToLong(Long::longValue).toArray());
    this.epsilon = manager.create(new double[] {spec.layerNormEpsilon()});
  }

  // Masks are drawn from 16 bits; the scripts scale by the share that is really kept.
  private static long share(double probability) {
    return Math.round(probability * 65536);
  }

  /** What a graph takes, in bytes, by estimate. */
  long graphBytes(MicroBatch batch) {
    return ActivationBytes.graph(
        spec, precision, writesAttentionOut, batch.rows().length, batch.tokens());
  }

  /** What {@link #encodeByLayers} keeps, in bytes. */
  long stateBytes(MicroBatch batch) {
    return ActivationBytes.states(spec, batch.rows().length, batch.tokens());
  }

  /**
   * Brings a micro-batch to where this encoder computes; all other methods want it there.
   *
   * @param owner of what comes out
   * @param batch used up
   */
  MicroBatch staged(Module module, NDManager owner, MicroBatch batch) {
    List<NDArray> there =
        staging.toDevice(module, owner, List.of(batch.ids(), batch.lengths(), batch.keys()));
    return new MicroBatch(batch.rows(), batch.tokens(), there.get(0), there.get(1), there.get(2));
  }

  /** What the encoder has given, for Java to read; it may be the same arrays. */
  List<NDArray> read(Module module, NDManager owner, List<NDArray> out) {
    return staging.toHost(module, owner, new NDList(out));
  }

  Encoded encode(Module module, NDManager manager, MicroBatch batch) {
    return cut(module.run("encode", manager, arguments(module, batch, List.of(), List.of())));
  }

  /** Without a graph: the calling thread must not record one. */
  Encoded encodeByLayers(Module module, NDManager manager, MicroBatch batch) {
    return cut(
        module.run("embed_by_layers", manager, arguments(module, batch, List.of(), List.of())));
  }

  private Encoded cut(NDList all) {
    return new Encoded(
        List.copyOf(all.subList(0, outputs)), List.copyOf(all.subList(outputs, all.size())));
  }

  /** Without a graph: the calling thread must not record one. */
  List<NDArray> embed(Module module, NDManager manager, MicroBatch batch) {
    return module.run("embed", manager, arguments(module, batch, List.of(), List.of()));
  }

  /**
   * A reranker's raw scores [rows], without a graph.
   *
   * @param seconds int64 [rows], where second texts begin, or empty
   */
  NDArray rank(Module module, NDManager manager, MicroBatch batch, NDArray seconds) {
    List<NDArray> arguments = new ArrayList<>(List.of(config, epsilon, batch.ids()));
    Staging.Weights weights = staging.weights(module);
    arguments.addAll(List.of(batch.lengths(), batch.keys(), weights.word(), seconds));
    arguments.addAll(weights.all());
    return module.run("rank", manager, arguments.toArray(NDArray[]::new)).get(0);
  }

  /**
   * Gradients of the trained parameters but the word embedding, in layout order, then, if that is
   * trained, of the looked-up word embeddings [rows, tokens, hidden]; for Java to read.
   *
   * @param upstream gradients of {@link Encoded#out}, where Java made them; used up
   */
  NDList gradients(Module module, NDManager manager, Encoded encoded, List<NDArray> upstream) {
    List<NDArray> arguments = new ArrayList<>(List.of(config, encoded.kept().get(0)));
    staging
        .toDevice(module, manager, upstream)
        .forEach(array -> arguments.add(Module.list("upstream", array)));
    encoded.out().forEach(array -> arguments.add(Module.list("out", array)));
    arguments.addAll(staging.weights(module).trained());
    return staging.moveToHost(
        module, manager, module.run("gradients", manager, arguments.toArray(NDArray[]::new)));
  }

  /** The same of {@link #encodeByLayers}. */
  NDList gradientsByLayers(
      Module module, NDManager manager, MicroBatch batch, Encoded encoded, List<NDArray> upstream) {
    List<NDArray> staged = staging.toDevice(module, manager, upstream);
    NDArray[] arguments = arguments(module, batch, staged, encoded.kept());
    return staging.moveToHost(
        module, manager, module.run("gradients_by_layers", manager, arguments));
  }

  private NDArray[] arguments(
      Module module, MicroBatch batch, List<NDArray> upstream, List<NDArray> states) {
    Staging.Weights weights = staging.weights(module);
    List<NDArray> arguments =
        new ArrayList<>(
            List.of(config, epsilon, batch.ids(), batch.lengths(), batch.keys(), weights.word()));
    upstream.forEach(array -> arguments.add(Module.list("upstream", array)));
    states.forEach(array -> arguments.add(Module.list("states", array)));
    arguments.addAll(weights.all());
    return arguments.toArray(NDArray[]::new);
  }
}
