package org.dunlin.conf.embed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.dunlin.protocol.Refusal;
import org.dunlin.worker.evaluate.PairScores.Mode;
import org.dunlin.worker.evaluate.PairScores.Weights;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows in, numbers out, with an embedding model and with a reranker. */
class PairScorerTest {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));
  private static final Path MODEL = FIXTURES.resolve("model");
  private static final Path RERANKER = FIXTURES.resolve("reranker");
  private static final String ROWS =
      """
      {"query": "what is a zone?", "passage": "Returns a set of all time zones.", "id": 7}

      ["a socket", "dup() -> socket object"]
      """;

  @TempDir Path folder;

  @Test
  void shouldMixTheModesWithTheirWeights() {
    List<Double> dense = scores(MODEL, Mode.DENSE);
    List<Double> sparse = scores(MODEL, Mode.SPARSE);
    List<Double> colbert = scores(MODEL, Mode.COLBERT);
    ScoreRequest weighted = request(MODEL, Optional.of(Mode.COLBERT_SPARSE_DENSE));
    List<Double> mixed =
        numbers(
            new ScoreRequest(
                MODEL,
                Optional.empty(),
                weighted.mode(),
                Optional.of(new Weights(0.5, 0.25, 1)),
                false,
                false,
                OptionalInt.empty(),
                OptionalInt.empty()),
            ROWS);
    List<Double> otherwise = numbers(request(MODEL, Optional.empty()), ROWS);

    assertThat(dense).hasSize(2);
    for (int pair = 0; pair < 2; pair++) {
      double d = dense.get(pair);
      double s = sparse.get(pair);
      double c = colbert.get(pair);
      assertThat(mixed.get(pair)).isCloseTo((d / 2 + s / 4 + c) / 1.75, within(1e-6));
      assertThat(otherwise.get(pair)).isCloseTo((d + s + c) / 3, within(1e-6));
      assertThat(scores(MODEL, Mode.SPARSE_DENSE).get(pair)).isCloseTo((s + d) / 2, within(1e-6));
    }
  }

  @Test
  void shouldGiveARerankersRawScoreAndOnWishItsSigmoid() throws IOException {
    Path file = Files.writeString(folder.resolve("pairs.jsonl"), ROWS);
    List<Double> raw = numbers(request(RERANKER, Optional.empty()), ROWS);
    List<Double> bounded =
        numbers(
            new ScoreRequest(
                RERANKER,
                Optional.of(file),
                Optional.empty(),
                Optional.empty(),
                false,
                true,
                OptionalInt.empty(),
                OptionalInt.empty()),
            "");

    assertThat(raw).hasSize(2).anyMatch(score -> score < 0 || score > 1);
    for (int pair = 0; pair < 2; pair++) {
      assertThat(bounded.get(pair)).isCloseTo(1 / (1 + Math.exp(-raw.get(pair))), within(1e-6));
    }
  }

  @Test
  void shouldScoreMoreRowsThanABatchHas() {
    List<Double> many = numbers(request(RERANKER, Optional.empty()), ROWS.repeat(300));

    assertThat(many).hasSize(600);
    assertThat(many.get(598)).isCloseTo(many.get(0), within(1e-5));
  }

  @Test
  void shouldNameTheRowThatIsNoPair() {
    ScoreRequest request = request(MODEL, Optional.of(Mode.DENSE));
    assertRefused(
        request, ROWS + "{\"query\": \"a\"}", "standard input:4: has no text as its passage");
    assertRefused(request, "[1, \"b\"]", "standard input:1: has no text as its query");
    assertRefused(request, "a\tb", "standard input:1: is not JSON");
    Path missing = folder.resolve("none.jsonl");
    ScoreRequest absent =
        new ScoreRequest(
            MODEL,
            Optional.of(missing),
            Optional.of(Mode.DENSE),
            Optional.empty(),
            false,
            false,
            OptionalInt.empty(),
            OptionalInt.empty());
    assertRefused(absent, "", missing + ": no such file");
  }

  @Test
  void shouldRefuseWhatTheModelCannotGive() throws IOException {
    assertRefused(
        request(RERANKER, Optional.of(Mode.DENSE)),
        ROWS,
        "--mode: means nothing for " + RERANKER + " (expected: an embedding model)");
    ScoreRequest sigmoid =
        new ScoreRequest(
            MODEL,
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            false,
            true,
            OptionalInt.empty(),
            OptionalInt.empty());
    assertRefused(sigmoid, ROWS, "--sigmoid: means nothing for " + MODEL);
    ScoreRequest weightless =
        new ScoreRequest(
            MODEL,
            Optional.empty(),
            Optional.of(Mode.SPARSE_DENSE),
            Optional.of(new Weights(0, 0, 1)),
            false,
            false,
            OptionalInt.empty(),
            OptionalInt.empty());
    assertRefused(weightless, ROWS, "--weights: add up to 0");
    for (String file : List.of("config.json", "tokenizer.json", "model.safetensors")) {
      Files.copy(MODEL.resolve(file), folder.resolve(file));
    }
    assertRefused(request(folder, Optional.empty()), ROWS, "has no sparse_linear.pt");
    assertThat(scores(folder, Mode.DENSE)).hasSize(2);
  }

  private static void assertRefused(ScoreRequest request, String rows, String message) {
    assertThatThrownBy(() -> numbers(request, rows))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(message);
  }

  private static List<Double> scores(Path model, Mode mode) {
    return numbers(request(model, Optional.of(mode)), ROWS);
  }

  private static ScoreRequest request(Path model, Optional<Mode> mode) {
    return new ScoreRequest(
        model,
        Optional.empty(),
        mode,
        Optional.empty(),
        false,
        false,
        OptionalInt.empty(),
        OptionalInt.empty());
  }

  private static List<Double> numbers(ScoreRequest request, String rows) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    PairScorer.run(
        request,
        new ByteArrayInputStream(rows.getBytes(StandardCharsets.UTF_8)),
        new PrintStream(out, true, StandardCharsets.UTF_8));
    return out.toString(StandardCharsets.UTF_8).lines().map(Double::valueOf).toList();
  }
}
