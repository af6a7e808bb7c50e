package org.dunlin.conf.embed;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.step.Embedder;
import org.dunlin.worker.step.Embedding;

/**
 * {@code dunlin embed}: a line of text becomes a line of JSON. The dense embedding alone is an
 * array of numbers; else it is an object with FlagEmbedding's names.
 */
public final class LineEmbedder {
  /** Lines that are embedded together: many enough to sort by length, few enough to stream. */
  private static final int MOST_LINES = 1024;

  /** Token vectors that are held at once: 128 MiB of floats. */
  private static final long MOST_FLOATS = 1 << 25;

  private static final Set<Head> DENSE_ALONE = Set.of(Head.DENSE);
  private static final ObjectMapper JSON = new ObjectMapper();

  private LineEmbedder() {}

  /** Embeds all lines; gives the exit code. */
  public static int run(EmbedRequest request, InputStream texts, PrintStream vectors) {
    Path folder = request.model();
    try (ModelFolder model = open(folder, !request.heads().equals(DENSE_ALONE));
        Tokenizer tokenizer = Tokenizer.open(folder);
        Embedder embedder = embedder(model);
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(texts, StandardCharsets.UTF_8))) {
      int most = embedder.maxTokens();
      int maxTokens =
          MaxTokens.of("--max-tokens", request.maxTokens(), tokenizer.specials(), most, most);
      List<int[]> block = new ArrayList<>();
      long floats = 0;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        block.add(tokenizer.encode(line, maxTokens));
        floats += (long) block.getLast().length * embedder.vectorWidth();
        if (block.size() == MOST_LINES || floats > MOST_FLOATS) {
          write(embedder, block, request.heads(), vectors);
          floats = 0;
        }
      }
      write(embedder, block, request.heads(), vectors);
      return 0;
    } catch (IOException e) {
      throw Refusal.run("the texts cannot be read: " + e.getMessage(), e);
    }
  }

  /** Opens an embedding model. */
  static ModelFolder open(Path folder, boolean withHeads) {
    ModelFolder model = ModelFolder.open(folder);
    try {
      if (model.isReranker()) {
        throw Refusal.usage(
            folder
                + ": is a reranker, which embeds nothing (expected: an embedding model; dunlin score takes rerankers)");
      }
      return withHeads ? model.withSavedHeads() : model;
    } catch (Refusal e) {
      model.close();
      throw e;
    }
  }

  static Embedder embedder(ModelFolder model) {
    return new Embedder(
        model,
        model.pooling().orElse(Pooling.CLS),
        model.normalizes(),
        Runtime.getRuntime().availableProcessors());
  }

  private static void write(
      Embedder embedder, List<int[]> block, Set<Head> heads, PrintStream vectors)
      throws JsonProcessingException {
    int[][] texts = block.toArray(int[][]::new);
    if (heads.equals(DENSE_ALONE)) {
      for (float[] vector : embedder.embed(texts, done -> {})) {
        vectors.println(JSON.writeValueAsString(vector));
      }
    } else {
      for (Embedding embedding : embedder.embedAll(texts)) {
        vectors.println(JSON.writeValueAsString(row(embedding, heads)));
      }
    }
    block.clear();
  }

  private static Map<String, Object> row(Embedding embedding, Set<Head> heads) {
    Map<String, Object> row = new LinkedHashMap<>();
    for (Head head : Head.values()) {
      if (heads.contains(head)) {
        row.put(
            head.key(),
            switch (head) {
              case DENSE -> embedding.dense();
              case SPARSE -> embedding.lexical();
              case COLBERT -> embedding.vectors();
            });
      }
    }
    return row;
  }
}
