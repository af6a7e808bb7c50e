package org.dunlin.data.tokens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Token ids must equal those that FlagEmbedding's tokenizer recorded. */
class TokenizerTest {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int NO_LIMIT = Integer.MAX_VALUE;

  @TempDir Path folder;

  @Test
  void shouldGiveTheReferencesIdsWholeAndTruncated() throws Exception {
    JsonNode parity = JSON.readTree(FIXTURES.resolve("tokenizer_parity.json").toFile());
    assertThat(parity.path("texts").size()).isGreaterThan(50);
    try (Tokenizer tokenizer = Tokenizer.open(FIXTURES.resolve("model"))) {
      for (JsonNode text : parity.path("texts")) {
        assertReference(tokenizer, text);
      }
    }
  }

  @Test
  void shouldGiveTheReferencesIdsOfPairs() throws Exception {
    JsonNode parity = JSON.readTree(FIXTURES.resolve("tokenizer_parity.json").toFile());
    assertThat(parity.path("pairs").size()).isGreaterThan(3);
    try (Tokenizer tokenizer = Tokenizer.open(FIXTURES.resolve("model"))) {
      for (JsonNode pair : parity.path("pairs")) {
        assertPair(tokenizer, pair);
      }
    }
  }

  /**
   * precompiled/ was made by make.py beside it with tokenizers' own SentencePiece normaliser, as
   * XLM-RoBERTa's tokenizer has it; its ids are Python's.
   */
  @Test
  void shouldGiveEqualIdsWithAPrecompiledNormaliser() throws Exception {
    Path precompiled = Path.of("src/test/resources/tokens/precompiled");
    JsonNode parity = JSON.readTree(precompiled.resolve("ids.json").toFile());
    assertThat(
            JSON.readTree(precompiled.resolve("tokenizer.json").toFile()).findValuesAsText("type"))
        .contains("Precompiled");
    assertThat(parity.path("texts").size()).isGreaterThan(100);
    try (Tokenizer tokenizer = Tokenizer.open(precompiled)) {
      for (JsonNode text : parity.path("texts")) {
        assertReference(tokenizer, text);
      }
      for (JsonNode pair : parity.path("pairs")) {
        assertPair(tokenizer, pair);
      }
    }
  }

  @Test
  void shouldIgnoreTruncationAndPaddingOfTheFile() throws Exception {
    JsonNode parity = JSON.readTree(FIXTURES.resolve("tokenizer_parity.json").toFile());
    ObjectNode file = (ObjectNode) JSON.readTree(FIXTURES.resolve("model/tokenizer.json").toFile());
    file.set(
        "truncation",
        JSON.readTree(
            "{\"direction\":\"Left\",\"max_length\":5,\"strategy\":\"LongestFirst\",\"stride\":0}"));
    file.set(
        "padding",
        JSON.readTree(
            "{\"strategy\":{\"Fixed\":12},\"direction\":\"Right\",\"pad_to_multiple_of\":null,"
                + "\"pad_id\":1,\"pad_type_id\":0,\"pad_token\":\"<pad>\"}"));
    JSON.writeValue(folder.resolve("tokenizer.json").toFile(), file);
    try (Tokenizer tokenizer = Tokenizer.open(folder)) {
      for (JsonNode text : parity.path("texts")) {
        assertReference(tokenizer, text);
      }
    }
  }

  @Test
  void shouldGiveEqualIdsOnSeveralThreads() {
    try (Tokenizer tokenizer = Tokenizer.open(FIXTURES.resolve("model"))) {
      List<String> texts =
          IntStream.range(0, 500).mapToObj(n -> "sample number " + n + " of a text").toList();
      List<int[]> expected = texts.stream().map(text -> tokenizer.encode(text, 8)).toList();
      List<int[]> parallel = texts.parallelStream().map(t -> tokenizer.encode(t, 8)).toList();
      for (int n = 0; n < texts.size(); n++) {
        assertThat(parallel.get(n)).isEqualTo(expected.get(n)).hasSizeLessThanOrEqualTo(8);
      }
    }
  }

  @Test
  void shouldTakeTextsThatAreNotWellFormed() {
    try (Tokenizer tokenizer = Tokenizer.open(FIXTURES.resolve("model"))) {
      assertThat(tokenizer.encode("a \uD83D b", NO_LIMIT))
          .isEqualTo(tokenizer.encode("a \uFFFD b", NO_LIMIT));
      assertThat(tokenizer.encode("\uDE00", NO_LIMIT))
          .isEqualTo(tokenizer.encode("\uFFFD", NO_LIMIT));
      assertThat(tokenizer.encode("a\u0000b", NO_LIMIT)).hasSizeGreaterThan(2);
    }
  }

  @Test
  void shouldRefuseAFolderWithoutATokenizer() throws IOException {
    assertThatThrownBy(() -> Tokenizer.open(folder))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("tokenizer.json");
    Files.writeString(folder.resolve("tokenizer.json"), "{\"version\": 1}");
    assertThatThrownBy(() -> Tokenizer.open(folder))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(folder.resolve("tokenizer.json") + ": is not a tokenizer");
  }

  @Test
  void shouldNotEncodeOnceClosed() {
    Tokenizer tokenizer = Tokenizer.open(FIXTURES.resolve("model"));
    tokenizer.close();
    tokenizer.close();
    assertThatThrownBy(() -> tokenizer.encode("a", 8)).isInstanceOf(IllegalStateException.class);
  }

  private static void assertPair(Tokenizer tokenizer, JsonNode pair) {
    String a = pair.path("a").asText();
    String b = pair.path("b").asText();
    for (PairCut cut : PairCut.values()) {
      assertThat(tokenizer.encodePair(a, b, NO_LIMIT, cut).ids())
          .as(a + " | " + b)
          .isEqualTo(ids(pair.path("ids")));
      JsonNode cutIds = pair.path("ids_max16_" + cut.name().toLowerCase(java.util.Locale.ROOT));
      if (cutIds.isArray()) {
        assertThat(tokenizer.encodePair(a, b, 16, cut).ids())
            .as(cut + ": " + a + " | " + b)
            .isEqualTo(ids(cutIds));
      }
    }
  }

  private static void assertReference(Tokenizer tokenizer, JsonNode text) {
    assertThat(tokenizer.encode(text.path("text").asText(), NO_LIMIT))
        .as(text.path("text").asText())
        .isEqualTo(ids(text.path("ids")));
    assertThat(tokenizer.encode(text.path("text").asText(), 16))
        .as(text.path("text").asText())
        .isEqualTo(ids(text.path("ids_max16")));
  }

  private static int[] ids(JsonNode list) {
    assertThat(list.isArray()).isTrue();
    return IntStream.range(0, list.size()).map(at -> list.get(at).asInt()).toArray();
  }
}
