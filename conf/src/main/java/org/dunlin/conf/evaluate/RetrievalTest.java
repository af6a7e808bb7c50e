package org.dunlin.conf.evaluate;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.IntConsumer;
import java.util.stream.Stream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.retrieval.RetrievalSet;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.protocol.run.TextTemplate;
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

  /**
   * How texts become what the model gets.
   *
   * @param texts what is put before them
   * @param queryMaxTokens longer queries are cut; never more than the model takes
   * @param passageMaxTokens longer documents are cut; never more than the model takes
   */
  public record Form(DataSpec.Texts texts, int queryMaxTokens, int passageMaxTokens) {
    private String query(String text) {
      return texts.queryInstruction().isEmpty()
          ? text
          : texts.queryTemplate().apply(texts.queryInstruction(), text);
    }

    private String passage(String text) {
      return texts.passageInstruction().isEmpty()
          ? text
          : texts.passageTemplate().apply(texts.passageInstruction(), text);
    }
  }

  private final RetrievalSet set;
  private final Form form;

  /**
   * @param queryPrefix put before every query; empty for none
   */
  public RetrievalTest(RetrievalSet set, String queryPrefix) {
    this(
        set,
        new Form(
            new DataSpec.Texts(queryPrefix, TextTemplate.JOINED, "", TextTemplate.JOINED),
            MAX_TOKENS,
            MAX_TOKENS));
  }

  public RetrievalTest(RetrievalSet set, Form form) {
    this.set = set;
    this.form = form;
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
      int most = model.encoder().maxTokens();
      int queryMost = Math.min(form.queryMaxTokens(), most);
      int passageMost = Math.min(form.passageMaxTokens(), most);
      int queries = set.queries().size();
      int[][] texts =
          Stream.concat(
                  set.queries().parallelStream()
                      .map(text -> tokenizer.encode(form.query(text), queryMost)),
                  set.documents().parallelStream()
                      .map(text -> tokenizer.encode(form.passage(text), passageMost)))
              .toArray(int[][]::new);
      try (Embedder embedder = new Embedder(model, pooling, model.normalizes(), computeThreads)) {
        float[][] embeddings = embedder.embed(texts, progress);
        int[][] best =
            ExactSearch.best(
                Arrays.copyOfRange(embeddings, 0, queries),
                Arrays.copyOfRange(embeddings, queries, embeddings.length),
                RetrievalMetrics.DEPTH);
        return RetrievalMetrics.of(best, set.relevances());
      }
    }
  }
}
