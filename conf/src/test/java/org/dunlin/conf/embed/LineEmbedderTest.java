package org.dunlin.conf.embed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Lines in, JSON out: an array, or an object with what was asked for. */
class LineEmbedderTest {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  @Test
  void shouldWriteAnArrayALineForTheDenseEmbeddingAlone() throws IOException {
    List<String> lines = embed(Set.of(Head.DENSE), OptionalInt.empty(), "a red fox\n\nein Fuchs\n");

    assertThat(lines).hasSize(3); // an empty line is a text too
    for (String line : lines) {
      JsonNode vector = JSON.readTree(line);
      assertThat(vector.isArray()).isTrue();
      assertThat(vector.size()).isEqualTo(64);
    }
  }

  @Test
  void shouldWriteAnObjectWithTheHeadsThatAreAskedFor() throws IOException {
    String text = "Returns a set containing all available time zones.\n";
    JsonNode all = JSON.readTree(embed(Set.of(Head.values()), OptionalInt.empty(), text).get(0));
    JsonNode two =
        JSON.readTree(embed(Set.of(Head.SPARSE, Head.COLBERT), OptionalInt.empty(), text).get(0));
    JsonNode dense = JSON.readTree(embed(Set.of(Head.DENSE), OptionalInt.empty(), text).get(0));

    assertThat(all.fieldNames())
        .toIterable()
        .containsExactly("dense_vecs", "lexical_weights", "colbert_vecs");
    assertThat(all.path("dense_vecs")).isEqualTo(dense);
    assertThat(two.fieldNames()).toIterable().containsExactly("lexical_weights", "colbert_vecs");
    assertThat(two.path("colbert_vecs")).isEqualTo(all.path("colbert_vecs"));
    assertThat(two.path("lexical_weights").size()).isPositive();
    assertThat(two.path("lexical_weights").fieldNames())
        .toIterable()
        .allMatch(id -> id.matches("\\d+"))
        .doesNotContain("0", "1", "2", "3");
  }

  @Test
  void shouldCutTextsWhereItIsTold() throws IOException {
    String text = "the quick brown fox jumps over the lazy dog ".repeat(20);
    assertThat(vectors(text, OptionalInt.of(9))).isEqualTo(8); // without the first token's
    assertThat(vectors(text, OptionalInt.empty())).isEqualTo(127); // the model takes 128
  }

  @Test
  void shouldRefuseWhatTheModelCannotGive() throws IOException {
    assertThatThrownBy(() -> embed(Set.of(Head.DENSE), OptionalInt.of(129), ""))
        .isInstanceOf(Refusal.class)
        .hasMessage("--max-tokens: 129 (expected: 3 to 128 tokens, for this model)");
    Path reranker = FIXTURES.resolve("reranker");
    assertThatThrownBy(() -> run(reranker, Set.of(Head.DENSE), OptionalInt.empty(), ""))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(reranker + ": is a reranker");
    for (String file : List.of("config.json", "tokenizer.json", "model.safetensors")) {
      Files.copy(FIXTURES.resolve("model").resolve(file), folder.resolve(file));
    }
    assertThatThrownBy(() -> run(folder, Set.of(Head.SPARSE), OptionalInt.empty(), ""))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(folder + ": has no sparse_linear.pt");
    assertThat(run(folder, Set.of(Head.DENSE), OptionalInt.empty(), "a\n")).hasSize(1);
  }

  private static int vectors(String text, OptionalInt maxTokens) throws IOException {
    return JSON.readTree(embed(Set.of(Head.COLBERT), maxTokens, text).get(0))
        .path("colbert_vecs")
        .size();
  }

  private static List<String> embed(Set<Head> heads, OptionalInt maxTokens, String texts) {
    return run(FIXTURES.resolve("model"), heads, maxTokens, texts);
  }

  private static List<String> run(
      Path model, Set<Head> heads, OptionalInt maxTokens, String texts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    LineEmbedder.run(
        new EmbedRequest(model, heads, maxTokens),
        new ByteArrayInputStream(texts.getBytes(StandardCharsets.UTF_8)),
        new PrintStream(out, true, StandardCharsets.UTF_8));
    return out.toString(StandardCharsets.UTF_8).lines().toList();
  }
}
