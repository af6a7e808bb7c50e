package org.dunlin.it.parity;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.evaluate.PairScores;
import org.dunlin.worker.evaluate.PairScores.Mode;
import org.dunlin.worker.evaluate.PairScores.Weights;
import org.dunlin.worker.step.Embedder;
import org.dunlin.worker.step.Embedding;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Embeddings of all three heads and scores of pairs in all five modes are the reference's. */
@Tag("parity")
class InferenceParityTest {
  private static final double TOLERANCE = 1e-5;

  /** Pairs that the reference scores together, by its default. */
  private static final int BATCH = 256;

  private static final Pattern FIRST_QUERIES = Pattern.compile("encode_queries_dense_first(\\d+)");
  private static final Pattern MATCHING =
      Pattern.compile("lexical_matching_(\\d+)_(\\d+)_vs_(\\d+)_(\\d+)");
  private static final Pattern WEIGHTS =
      Pattern.compile("pair_scores(_weights_dense([\\d.]+)_sparse([\\d.]+)_colbert([\\d.]+))?");

  private final JsonNode recorded = GoldenSet.recorded("inference_parity.json");
  private final int queryMaxTokens = recorded.path("query_max_length").asInt();
  private final int passageMaxTokens = recorded.path("max_length").asInt();

  @Test
  void shouldGiveTheReferencesEmbeddings() {
    List<String> texts = GoldenSet.stream(recorded.path("texts")).map(JsonNode::asText).toList();
    assertThat(texts).isNotEmpty();
    try (Opened opened = new Opened()) {
      Embedding[] found = opened.embedder.embedAll(opened.ids(texts, passageMaxTokens));
      Worst worst = new Worst();
      for (int t = 0; t < found.length; t++) {
        add(worst, "dense", found[t].dense(), recorded.path("dense").path(t));
        lexical(worst, found[t].lexical(), recorded.path("lexical_weights").path(t));
        JsonNode vectors = recorded.path("colbert").path(t);
        assertThat(found[t].vectors().length).as("vectors of text " + t).isEqualTo(vectors.size());
        for (int v = 0; v < vectors.size(); v++) {
          add(worst, "colbert", found[t].vectors()[v], vectors.path(v));
        }
      }
      recorded
          .properties()
          .forEach(
              entry -> {
                Matcher queries = FIRST_QUERIES.matcher(entry.getKey());
                if (queries.matches()) {
                  List<String> first = texts.subList(0, Integer.parseInt(queries.group(1)));
                  float[][] dense =
                      opened.embedder.embed(opened.ids(first, queryMaxTokens), done -> {});
                  for (int t = 0; t < dense.length; t++) {
                    add(worst, "dense queries", dense[t], entry.getValue().path(t));
                  }
                }
                Matcher matching = MATCHING.matcher(entry.getKey());
                if (matching.matches()) {
                  matching(worst, found, matching, entry.getValue());
                }
              });
      System.out.printf("parity %-38s %s%n", "inference", worst);
      worst.check();
    }
  }

  @Test
  void shouldGiveTheReferencesScoresOfPairs() {
    List<String> queries = new ArrayList<>();
    List<String> passages = new ArrayList<>();
    for (JsonNode pair : recorded.path("pairs")) {
      queries.add(pair.path(0).asText());
      passages.add(pair.path(1).asText());
    }
    assertThat(queries).isNotEmpty();
    try (Opened opened = new Opened()) {
      int[][] queryIds = opened.ids(queries, queryMaxTokens);
      int[][] passageIds = opened.ids(passages, passageMaxTokens);
      List<PairScores> found = new ArrayList<>();
      for (int from = 0; from < queryIds.length; from += BATCH) {
        int to = Math.min(queryIds.length, from + BATCH);
        int[][] ownQueries = Arrays.copyOfRange(queryIds, from, to);
        int[][] ownPassages = Arrays.copyOfRange(passageIds, from, to);
        found.addAll(opened.embedder.score(ownQueries, ownPassages, true));
      }
      int kinds = 0;
      for (var entry : recorded.properties()) {
        Matcher weights = WEIGHTS.matcher(entry.getKey());
        if (weights.matches()) {
          kinds++;
          Worst worst = new Worst();
          for (Mode mode : Mode.values()) {
            JsonNode expected = entry.getValue().path(mode.toString());
            assertThat(expected.size()).as(mode.toString()).isEqualTo(found.size());
            for (int p = 0; p < found.size(); p++) {
              double error = found.get(p).in(mode, weights(weights)) - expected.path(p).asDouble();
              worst.add(mode.toString(), Math.abs(error), TOLERANCE);
            }
          }
          System.out.printf("parity %-38s %s%n", entry.getKey(), worst);
          worst.check();
        }
      }
      assertThat(kinds).as("recorded kinds of weights").isPositive();
    }
  }

  private static Weights weights(Matcher name) {
    return name.group(1) == null
        ? Weights.EQUAL
        : new Weights(
            Double.parseDouble(name.group(2)),
            Double.parseDouble(name.group(3)),
            Double.parseDouble(name.group(4)));
  }

  private static void add(Worst worst, String quantity, float[] found, JsonNode expected) {
    assertThat(found.length).as("width of " + quantity).isEqualTo(expected.size());
    for (int i = 0; i < found.length; i++) {
      worst.add(quantity, Math.abs(found[i] - expected.path(i).asDouble()), TOLERANCE);
    }
  }

  /** An id that only one of them has counts with its whole weight. */
  private static void lexical(Worst worst, Map<Integer, Float> found, JsonNode expected) {
    Map<Integer, Double> left = new HashMap<>();
    found.forEach((id, weight) -> left.put(id, (double) weight));
    expected
        .properties()
        .forEach(
            entry ->
                left.merge(
                    Integer.valueOf(entry.getKey()), -entry.getValue().asDouble(), Double::sum));
    worst.add("lexical", 0, TOLERANCE);
    left.values().forEach(error -> worst.add("lexical", Math.abs(error), TOLERANCE));
  }

  private static void matching(Worst worst, Embedding[] found, Matcher name, JsonNode expected) {
    int[] bounds = Stream.of(1, 2, 3, 4).map(name::group).mapToInt(Integer::parseInt).toArray();
    for (int a = bounds[0]; a < bounds[1]; a++) {
      for (int b = bounds[2]; b < bounds[3]; b++) {
        double score = PairScores.product(found[a].lexical(), found[b].lexical());
        double reference = expected.path(a - bounds[0]).path(b - bounds[2]).asDouble(Double.NaN);
        worst.add("lexical matching", Math.abs(score - reference), TOLERANCE);
      }
    }
  }

  /** The set's model with its heads. */
  private static final class Opened implements AutoCloseable {
    private final Tokenizer tokenizer;
    private final Embedder embedder;

    Opened() {
      Path folder = GoldenSet.root().resolve("model");
      this.tokenizer = Tokenizer.open(folder);
      try (ModelFolder model = ModelFolder.open(folder).withSavedHeads()) {
        this.embedder = new Embedder(model, model.pooling().orElse(Pooling.CLS), true, 2);
      }
    }

    int[][] ids(List<String> texts, int maxTokens) {
      return texts.stream().map(text -> tokenizer.encode(text, maxTokens)).toArray(int[][]::new);
    }

    @Override
    public void close() {
      embedder.close();
      tokenizer.close();
    }
  }
}
