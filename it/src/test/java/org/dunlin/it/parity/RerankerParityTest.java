package org.dunlin.it.parity;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.tokens.TokenPair;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.worker.step.Reranker;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Pairs get the reference's ids and, from a sequence classifier, its raw and its bounded scores.
 */
@Tag("parity")
class RerankerParityTest {
  private static final double TOLERANCE = 1e-4;

  @Test
  void shouldGiveTheReferencesScores() {
    JsonNode recorded = GoldenSet.recorded("reranker_parity.json");
    Path folder = GoldenSet.root().resolve("reranker");
    int queryMaxTokens = recorded.path("query_max_length").asInt();
    int maxTokens = recorded.path("max_length").asInt();
    assertThat(recorded.path("pairs").size()).isPositive();
    try (ModelFolder model = ModelFolder.open(folder).withClassifier();
        Tokenizer tokenizer = Tokenizer.open(folder);
        Reranker reranker = new Reranker(model, 2)) {
      TokenPair[] pairs =
          GoldenSet.stream(recorded.path("pairs"))
              .map(
                  pair ->
                      tokenizer.encodePair(
                          pair.path(0).asText(), pair.path(1).asText(), queryMaxTokens, maxTokens))
              .toArray(TokenPair[]::new);
      JsonNode expected = recorded.path("input_ids");
      int wrong =
          (int)
              IntStream.range(0, pairs.length)
                  .filter(p -> !Arrays.equals(pairs[p].ids(), GoldenSet.row(expected.path(p))))
                  .count();
      float[] scores = reranker.score(pairs);
      Worst worst = new Worst();
      worst.add("pairs with other ids", wrong, 0);
      for (int p = 0; p < pairs.length; p++) {
        double raw = recorded.path("raw").path(p).asDouble(Double.NaN);
        double normalized = recorded.path("normalized").path(p).asDouble(Double.NaN);
        worst.add("raw score", Math.abs(scores[p] - raw), TOLERANCE);
        double bounded = Reranker.sigmoid(scores[p]);
        worst.add("bounded score", Math.abs(bounded - normalized), TOLERANCE);
      }
      System.out.printf("parity %-38s %s%n", "reranker", worst);
      worst.check();
    }
  }
}
