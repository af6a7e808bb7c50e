package org.dunlin.conf.quickstart;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.data.wordnet.RetrievalSet;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.evaluate.ExactSearch;
import org.dunlin.worker.evaluate.RetrievalMetrics;
import org.dunlin.worker.step.Embedder;

/**
 * Measures models on one set of held-out queries: embeds all texts, searches exactly, compares with
 * what is relevant. The same model gives the same figures. Immutable; embeddings are normalised.
 */
public final class RetrievalTest {
  /** Longer texts are cut, as in training. */
  private static final int MAX_TOKENS = 128;

  private final RetrievalSet set;
  private final String queryPrefix;

  /**
   * @param queryPrefix put before every query; empty for none
   */
  public RetrievalTest(RetrievalSet set, String queryPrefix) {
    this.set = set;
    this.queryPrefix = queryPrefix;
  }

  /** Queries and documents: what {@link #measure}'s progress counts up to. */
  public int texts() {
    return set.queries().size() + set.documents().size();
  }

  /**
   * Measures a model.
   *
   * @param folder a Hugging Face folder that says its pooling
   * @param computeThreads at least 1
   * @param progress is told how many texts are embedded, by any thread
   */
  public RetrievalMetrics measure(Path folder, int computeThreads, IntConsumer progress) {
    try (ModelFolder model = ModelFolder.open(folder);
        Tokenizer tokenizer = Tokenizer.open(folder)) {
      Pooling pooling =
          model
              .pooling()
              .orElseThrow(
                  () ->
                      Refusal.run(
                          folder + ": has no 1_Pooling/config.json (expected: its pooling)"));
      int most = Math.min(MAX_TOKENS, model.encoder().maxTokens());
      List<String> queries = set.queries().stream().map(query -> queryPrefix + query).toList();
      int[][] texts =
          Stream.concat(queries.stream(), set.documents().stream())
              .parallel()
              .map(text -> tokenizer.encode(text, most))
              .toArray(int[][]::new);
      try (Embedder embedder = new Embedder(model, pooling, true, computeThreads)) {
        float[][] embeddings = embedder.embed(texts, progress);
        int[][] best =
            ExactSearch.best(
                Arrays.copyOfRange(embeddings, 0, queries.size()),
                Arrays.copyOfRange(embeddings, queries.size(), embeddings.length),
                RetrievalMetrics.DEPTH);
        return RetrievalMetrics.of(best, set.relevances());
      }
    }
  }
}
