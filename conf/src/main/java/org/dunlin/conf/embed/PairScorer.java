package org.dunlin.conf.embed;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.tokens.TokenPair;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.Refusal;
import org.dunlin.worker.evaluate.PairScores;
import org.dunlin.worker.evaluate.PairScores.Mode;
import org.dunlin.worker.evaluate.PairScores.Weights;
import org.dunlin.worker.step.Embedder;
import org.dunlin.worker.step.Reranker;

/** {@code dunlin score}: a row with a query and a passage becomes a line with a number. */
public final class PairScorer {
  /** Pairs that are scored together, as in FlagEmbedding, whose padding makes it count. */
  private static final int BATCH = 256;

  private static final String ROW = "{\"query\": text, \"passage\": text} or [query, passage]";
  private static final ObjectMapper JSON = new ObjectMapper();

  private PairScorer() {}

  private record Pair(String query, String passage) {}

  /** Scores all rows; gives the exit code. */
  public static int run(ScoreRequest request, InputStream standardInput, PrintStream scores) {
    boolean reranks;
    try (ModelFolder model = ModelFolder.open(request.model())) {
      reranks = model.isReranker();
    }
    if (reranks) {
      rerank(request, standardInput, scores);
    } else {
      compare(request, standardInput, scores);
    }
    return 0;
  }

  /** With a reranker. */
  private static void rerank(ScoreRequest request, InputStream standardInput, PrintStream scores) {
    refuse(request.mode().isPresent(), "--mode", request, "an embedding model");
    refuse(request.weights().isPresent(), "--weights", request, "an embedding model");
    refuse(request.padsInMaxSim(), "--pads-in-max-sim", request, "an embedding model");
    try (ModelFolder folder = ModelFolder.open(request.model());
        Tokenizer tokenizer = Tokenizer.open(request.model());
        Reranker reranker =
            new Reranker(folder.withClassifier(), Runtime.getRuntime().availableProcessors())) {
      int most = reranker.maxTokens();
      int least = tokenizer.pairSpecials();
      int maxTokens = MaxTokens.of("--max-tokens", request.maxTokens(), least, most, most);
      int queryMaxTokens =
          MaxTokens.of(
              "--query-max-tokens", request.queryMaxTokens(), 0, maxTokens, maxTokens * 3 / 4);
      forBatches(
          request,
          standardInput,
          scores,
          batch -> {
            TokenPair[] pairs =
                batch.stream()
                    .map(
                        pair ->
                            tokenizer.encodePair(
                                pair.query(), pair.passage(), queryMaxTokens, maxTokens))
                    .toArray(TokenPair[]::new);
            List<Double> found = new ArrayList<>();
            for (float score : reranker.score(pairs)) {
              found.add(request.sigmoid() ? Reranker.sigmoid(score) : score);
            }
            return found;
          });
    }
  }

  /** With an embedding model. */
  private static void compare(ScoreRequest request, InputStream standardInput, PrintStream scores) {
    refuse(request.sigmoid(), "--sigmoid", request, "a reranker");
    Mode mode = request.mode().orElse(Mode.COLBERT_SPARSE_DENSE);
    Weights weights = request.weights().orElse(Weights.EQUAL);
    if (weights.sum(mode) == 0) {
      throw Refusal.usage("--weights: add up to 0 (expected: more than 0 in mode " + mode + ")");
    }
    try (ModelFolder folder = LineEmbedder.open(request.model(), mode != Mode.DENSE);
        Tokenizer tokenizer = Tokenizer.open(request.model());
        Embedder embedder = LineEmbedder.embedder(folder)) {
      int most = embedder.maxTokens();
      int least = tokenizer.specials();
      int maxTokens = MaxTokens.of("--max-tokens", request.maxTokens(), least, most, most);
      int queryMaxTokens =
          MaxTokens.of("--query-max-tokens", request.queryMaxTokens(), least, most, most);
      forBatches(
          request,
          standardInput,
          scores,
          batch -> {
            int[][] queries =
                batch.stream()
                    .map(pair -> tokenizer.encode(pair.query(), queryMaxTokens))
                    .toArray(int[][]::new);
            int[][] passages =
                batch.stream()
                    .map(pair -> tokenizer.encode(pair.passage(), maxTokens))
                    .toArray(int[][]::new);
            List<PairScores> found = embedder.score(queries, passages, request.padsInMaxSim());
            return found.stream().map(score -> score.in(mode, weights)).toList();
          });
    }
  }

  private static void refuse(boolean given, String flag, ScoreRequest request, String expected) {
    if (given) {
      throw Refusal.usage(
          "%s: means nothing for %s (expected: %s)".formatted(flag, request.model(), expected));
    }
  }

  private static void forBatches(
      ScoreRequest request,
      InputStream standardInput,
      PrintStream scores,
      Function<List<Pair>, List<Double>> score) {
    String name = request.pairs().map(Path::toString).orElse("standard input");
    try (InputStream in =
            request.pairs().isPresent()
                ? Files.newInputStream(request.pairs().get())
                : standardInput;
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      List<Pair> batch = new ArrayList<>();
      int number = 0;
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        number++;
        if (!line.isBlank()) {
          batch.add(pair(line, name + ":" + number));
        }
        if (batch.size() == BATCH) {
          write(score.apply(batch), scores);
          batch.clear();
        }
      }
      if (!batch.isEmpty()) {
        write(score.apply(batch), scores);
      }
    } catch (NoSuchFileException e) {
      throw Refusal.usage(name + ": no such file (expected: JSONL, a pair a row)");
    } catch (IOException e) {
      throw Refusal.run(name + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static void write(List<Double> found, PrintStream scores) {
    found.forEach(score -> scores.println((float) (double) score));
  }

  private static Pair pair(String line, String place) {
    JsonNode row;
    try {
      row = JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw Refusal.run(place + ": is not JSON (expected: " + ROW + ")", e);
    }
    boolean list = row.isArray() && row.size() == 2;
    JsonNode query = list ? row.path(0) : row.path("query");
    JsonNode passage = list ? row.path(1) : row.path("passage");
    if (!query.isTextual() || !passage.isTextual()) {
      throw Refusal.run(
          "%s: has no text as its %s (expected: %s)"
              .formatted(place, query.isTextual() ? "passage" : "query", ROW));
    }
    return new Pair(query.asText(), passage.asText());
  }
}
