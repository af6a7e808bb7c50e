package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.plan.MicroBatchCut;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/**
 * Turns token ids into embeddings, without training and without dropout. One caller at a time.
 * Close it: it owns threads and native memory.
 *
 * <p>A row's last bits depend on the rows beside it, because products of other shapes round
 * otherwise; they do not depend on the number of threads.
 */
public final class Embedder implements AutoCloseable {
  /** Padded tokens of a micro-batch: enough for full products, few enough to stay in the caches. */
  private static final int MICRO_BATCH_TOKENS = 4096;

  private final EncoderSpec spec;
  private final NDManager manager = Torch.newManager();
  private final State state;
  private final Encoder encoder;
  private final ComputeThreads threads;

  /**
   * Copies the weights; the model may be closed afterwards.
   *
   * @param normalize whether embeddings are scaled to length 1
   * @param computeThreads at least 1
   */
  public Embedder(ModelFolder model, Pooling pooling, boolean normalize, int computeThreads) {
    this.spec = model.encoder();
    this.state = new State(spec);
    for (Tensor tensor : model.tensors()) {
      model.read(tensor, 0, state.values(tensor.name(), 0, tensor.elements()));
    }
    LossSpec loss = LossSpec.contrastive(pooling, normalize, 1, false);
    this.encoder = new Encoder(manager, spec, HeadSpec.DENSE, loss, state);
    this.threads = new ComputeThreads(computeThreads);
  }

  /** The width of an embedding. */
  public int hidden() {
    return spec.hidden();
  }

  /** The longest text that may be given, in tokens. */
  public int maxTokens() {
    return spec.maxTokens();
  }

  /**
   * Embeds texts.
   *
   * @param texts token ids with the special ones, not padded, 1 to {@link #maxTokens} each
   * @param progress is told from time to time how many texts are done, by any thread
   * @return {@code [texts][hidden]}
   */
  public float[][] embed(int[][] texts, IntConsumer progress) {
    for (int t = 0; t < texts.length; t++) {
      if (texts[t].length < 1 || texts[t].length > spec.maxTokens()) {
        throw new IllegalArgumentException(
            "text %d: %d tokens (expected: 1 to %d)"
                .formatted(t, texts[t].length, spec.maxTokens()));
      }
    }
    int[] lengths = Arrays.stream(texts).mapToInt(text -> text.length).toArray();
    int most = Math.max(MICRO_BATCH_TOKENS, spec.maxTokens());
    float[][] embeddings = new float[texts.length][];
    AtomicInteger done = new AtomicInteger();
    List<ComputeThreads.Work<Boolean>> work = new ArrayList<>();
    for (int[] rows : MicroBatchCut.cut(lengths, most)) {
      work.add(
          module -> {
            embed(module, texts, rows, embeddings);
            progress.accept(done.addAndGet(rows.length));
            return true;
          });
    }
    threads.run(work);
    return embeddings;
  }

  private void embed(Module module, int[][] texts, int[] rows, float[][] embeddings) {
    int[][] own = Arrays.stream(rows).mapToObj(row -> texts[row]).toArray(int[][]::new);
    int longest = own[0].length; // the cut sorts by length, the longest first
    Torch.recordGraph(false);
    try (NDManager scope = manager.newSubManager()) {
      MicroBatch batch = MicroBatch.of(scope, own, rows, longest, spec.padId(), new long[0]);
      NDArray dense = encoder.embed(module, scope, batch).get(0); // [rows, hidden]
      FloatBuffer values = Torch.floats(dense);
      for (int row : rows) {
        embeddings[row] = new float[spec.hidden()];
        values.get(embeddings[row]);
      }
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
