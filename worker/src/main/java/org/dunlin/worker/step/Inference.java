package org.dunlin.worker.step;

import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.plan.MicroBatchCut;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/**
 * Rows of ids through an encoder, without a graph and without dropout: cut into micro-batches of
 * like length, several at once. One caller at a time; close it.
 */
final class Inference implements AutoCloseable {
  /** Padded tokens of a micro-batch: enough for full products, few enough to stay in the caches. */
  private static final int MICRO_BATCH_TOKENS = 4096;

  private final EncoderSpec spec;
  private final NDManager manager = Torch.newManager();
  private final State state;
  private final Encoder encoder;
  private final ComputeThreads threads;

  /** What is done with a micro-batch, on any thread. */
  interface Work {
    /**
     * Takes what it wants of the micro-batch.
     *
     * @param scope closed afterwards
     * @param batch its rows are places in the texts that were given
     */
    void run(Module module, NDManager scope, MicroBatch batch);
  }

  /** Copies the weights; the model may be closed afterwards. */
  Inference(ModelFolder model, HeadSpec heads, LossSpec loss, int computeThreads) {
    this.spec = model.encoder();
    this.state = new State(model.tensors());
    for (Tensor tensor : model.tensors()) {
      model.read(tensor, 0, state.values(tensor.name(), 0, tensor.elements()));
    }
    this.encoder = new Encoder(manager, spec, heads, loss, state);
    this.threads = new ComputeThreads(computeThreads);
  }

  EncoderSpec spec() {
    return spec;
  }

  Encoder encoder() {
    return encoder;
  }

  /**
   * @param texts 1 to {@link EncoderSpec#maxTokens} ids each
   * @param progress is told from time to time how many are done, by any thread
   */
  void run(int[][] texts, IntConsumer progress, Work work) {
    for (int t = 0; t < texts.length; t++) {
      if (texts[t].length < 1 || texts[t].length > spec.maxTokens()) {
        throw new IllegalArgumentException(
            "text %d: %d tokens (expected: 1 to %d)"
                .formatted(t, texts[t].length, spec.maxTokens()));
      }
    }
    int[] lengths = Arrays.stream(texts).mapToInt(text -> text.length).toArray();
    int most = Math.max(MICRO_BATCH_TOKENS, spec.maxTokens());
    AtomicInteger done = new AtomicInteger();
    List<ComputeThreads.Work<Boolean>> all = new ArrayList<>();
    for (int[] rows : MicroBatchCut.cut(lengths, most)) {
      all.add(
          module -> {
            int[][] own = Arrays.stream(rows).mapToObj(row -> texts[row]).toArray(int[][]::new);
            int longest = own[0].length; // the cut sorts by length, the longest first
            withoutGraph(
                scope -> {
                  MicroBatch batch =
                      MicroBatch.of(scope, own, rows, longest, spec.padId(), new long[0]);
                  work.run(module, scope, batch);
                });
            progress.accept(done.addAndGet(rows.length));
            return true;
          });
    }
    threads.run("encode", all);
  }

  /** Work that needs no encoder. */
  interface Step {
    void run(Module module, NDManager scope);
  }

  void run(List<Step> steps) {
    List<ComputeThreads.Work<Boolean>> all = new ArrayList<>();
    for (Step step : steps) {
      all.add(
          module -> {
            withoutGraph(scope -> step.run(module, scope));
            return true;
          });
    }
    threads.run("encode", all);
  }

  private void withoutGraph(Consumer<NDManager> work) {
    Torch.recordGraph(false);
    try (NDManager scope = manager.newSubManager()) {
      work.accept(scope);
    } finally {
      Torch.recordGraph(true);
    }
  }

  @Override
  public void close() {
    threads.close();
    manager.close();
    state.close();
  }
}
