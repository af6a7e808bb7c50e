package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.SpecialIds;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;
import org.dunlin.worker.evaluate.PairScores;

/**
 * Turns token ids into embeddings, without training and without dropout: dense ones, and with a
 * model's heads lexical weights and token vectors too. One caller at a time. Close it: it owns
 * threads and native memory.
 *
 * <p>A row's last bits depend on the rows beside it, because products of other shapes round
 * otherwise; they do not depend on the number of threads.
 */
public final class Embedder implements AutoCloseable {
  /** Token vectors that {@link #score} holds at once: 256 MiB of floats. */
  private static final long HELD_FLOATS = 1 << 26;

  private final Inference inference;
  private final LexicalIds lexicalIds;
  private final int vectorWidth; // 0 without heads

  /**
   * Copies the weights; the model may be closed afterwards.
   *
   * @param model with its heads, where all three kinds of embedding are wanted
   * @param normalize whether embeddings are scaled to length 1
   * @param computeThreads at least 1
   */
  public Embedder(ModelFolder model, Pooling pooling, boolean normalize, int computeThreads) {
    HeadSpec heads = HeadSpec.DENSE;
    if (model.colbertDim().isPresent()) {
      SpecialIds ids = model.specialIds();
      heads =
          HeadSpec.unified(
              model.colbertDim().getAsInt(), List.of(ids.cls(), ids.eos(), ids.pad(), ids.unk()));
    }
    this.vectorWidth = heads.vectorWidth();
    this.lexicalIds = new LexicalIds(heads.silentIds());
    LossSpec loss = LossSpec.contrastive(pooling, normalize, 1, false);
    this.inference = new Inference(model, heads, loss, computeThreads);
  }

  /** The width of a dense embedding. */
  public int hidden() {
    return inference.spec().hidden();
  }

  /** The width of a token vector; 0 without heads. */
  public int vectorWidth() {
    return vectorWidth;
  }

  /** The longest text that may be given, in tokens. */
  public int maxTokens() {
    return inference.spec().maxTokens();
  }

  /**
   * Embeds texts densely.
   *
   * @param texts token ids with the special ones, not padded, 1 to {@link #maxTokens} each
   * @param progress is told from time to time how many texts are done, by any thread
   * @return {@code [texts][hidden]}
   */
  public float[][] embed(int[][] texts, IntConsumer progress) {
    float[][] dense = new float[texts.length][];
    inference.run(
        texts,
        progress,
        (module, scope, batch) ->
            copyRows(inference.encoder().embed(module, scope, batch).get(0), batch, dense));
    return dense;
  }

  /**
   * Embeds texts with every head of the model. Token vectors take much memory: {@code 4 *
   * vectorWidth} bytes a token.
   *
   * @param texts token ids with the special ones, not padded, 1 to {@link #maxTokens} each
   */
  public Embedding[] embedAll(int[][] texts) {
    float[][] dense = new float[texts.length][];
    Embedding[] embeddings = new Embedding[texts.length];
    inference.run(
        texts,
        done -> {},
        (module, scope, batch) -> {
          List<NDArray> out = inference.encoder().embed(module, scope, batch);
          copyRows(out.get(0), batch, dense);
          for (int r = 0; r < batch.rows().length; r++) {
            int row = batch.rows()[r];
            embeddings[row] =
                vectorWidth == 0
                    ? new Embedding(dense[row], Map.of(), new float[0][])
                    : new Embedding(
                        dense[row],
                        lexical(out.get(1), batch, r, texts[row]),
                        vectors(out.get(2), batch, r, texts[row].length - 1));
          }
        });
    return embeddings;
  }

  /**
   * Scores pairs, all together one batch.
   *
   * @param queries token ids as for {@link #embedAll}
   * @param passages as many
   * @param padsInMaxSim FlagEmbedding's oddity: the padding of a passage that is shorter than the
   *     batch's longest offers similarity 0 to every query token
   * @return without heads the dense score alone, the others being no number
   */
  public List<PairScores> score(int[][] queries, int[][] passages, boolean padsInMaxSim) {
    if (queries.length != passages.length) {
      throw new IllegalArgumentException(
          "%d queries, %d passages (expected: as many)".formatted(queries.length, passages.length));
    }
    int longest = Arrays.stream(passages).mapToInt(passage -> passage.length).max().orElse(0);
    List<PairScores> scores = new ArrayList<>();
    for (int from = 0; from < queries.length; ) {
      int to = from;
      for (long floats = 0; to < queries.length; to++) {
        floats += (long) (queries[to].length + passages[to].length) * vectorWidth;
        if (floats > HELD_FLOATS && to > from) {
          break;
        }
      }
      int[][] own = Arrays.copyOfRange(passages, from, to);
      boolean[] floors = new boolean[own.length];
      for (int p = 0; p < own.length; p++) {
        floors[p] = padsInMaxSim && own[p].length < longest;
      }
      scores.addAll(score(Arrays.copyOfRange(queries, from, to), own, floors));
      from = to;
    }
    return scores;
  }

  private List<PairScores> score(int[][] queries, int[][] passages, boolean[] floors) {
    int pairs = queries.length;
    Embedding[] all =
        embedAll(Stream.of(queries, passages).flatMap(Stream::of).toArray(int[][]::new));
    PairScores[] scores = new PairScores[pairs];
    List<Inference.Step> steps = new ArrayList<>();
    for (int pair = 0; pair < pairs; pair++) {
      int at = pair;
      Embedding query = all[pair];
      Embedding passage = all[pairs + pair];
      steps.add(
          (module, scope) -> {
            boolean heads = vectorWidth > 0;
            scores[at] =
                new PairScores(
                    PairScores.product(query.dense(), passage.dense()),
                    heads ? PairScores.product(query.lexical(), passage.lexical()) : Double.NaN,
                    heads
                        ? maxSim(module, scope, query.vectors(), passage.vectors(), floors[at])
                        : Double.NaN);
          });
    }
    inference.run(steps);
    return List.of(scores);
  }

  private double maxSim(
      Module module, NDManager scope, float[][] query, float[][] passage, boolean floor) {
    if (query.length == 0 || passage.length == 0) {
      return 0;
    }
    NDArray atLeast = scope.create(new long[] {floor ? 1 : 0});
    NDArray score =
        module.run("max_sim", scope, atLeast, matrix(scope, query), matrix(scope, passage)).get(0);
    return Torch.floats(score).get(0);
  }

  private NDArray matrix(NDManager scope, float[][] vectors) {
    FloatBuffer values = FloatBuffer.allocate(vectors.length * vectorWidth);
    for (float[] vector : vectors) {
      values.put(vector);
    }
    return scope.create(values.flip(), new Shape(vectors.length, vectorWidth));
  }

  private static void copyRows(NDArray dense, MicroBatch batch, float[][] into) {
    FloatBuffer values = Torch.floats(dense); // [rows, hidden]
    for (int row : batch.rows()) {
      into[row] = new float[values.limit() / batch.rows().length];
      values.get(into[row]);
    }
  }

  /** Of weights [rows, tokens]. */
  private Map<Integer, Float> lexical(NDArray weights, MicroBatch batch, int r, int[] text) {
    float[] own = new float[text.length];
    Torch.floats(weights).get(r * batch.tokens(), own);
    float[] ids = lexicalIds.speakers(text, own);
    Map<Integer, Float> lexical = new LinkedHashMap<>();
    for (int t = 0; t < text.length; t++) {
      if (ids[t] != LexicalIds.NONE && own[t] > 0) {
        lexical.put(text[t], own[t]);
      }
    }
    return lexical;
  }

  /** Of vectors [rows, tokens - 1, width]. */
  private float[][] vectors(NDArray vectors, MicroBatch batch, int r, int count) {
    float[][] own = new float[count][vectorWidth];
    for (int v = 0; v < count; v++) {
      int at = (r * (batch.tokens() - 1) + v) * vectorWidth;
      Torch.floats(vectors).get(at, own[v]);
    }
    return own;
  }

  @Override
  public void close() {
    inference.close();
  }
}
