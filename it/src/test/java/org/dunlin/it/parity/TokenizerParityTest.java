package org.dunlin.it.parity;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dunlin.data.tokens.PairCut;
import org.dunlin.data.tokens.Tokenizer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Texts and pairs of texts have the reference's ids, whole and at every recorded length. The length
 * and the way of cutting are read from the names of the recorded lists, {@code ids_max16_...}.
 */
@Tag("parity")
class TokenizerParityTest {
  private static final Pattern LIST = Pattern.compile("ids(_max(\\d+))?(_(\\w+))?");

  @Test
  void shouldGiveTheReferencesIds() {
    JsonNode recorded = GoldenSet.recorded("tokenizer_parity.json");
    int wrong = 0;
    int lists = 0;
    try (Tokenizer tokenizer = Tokenizer.open(GoldenSet.root().resolve("model"))) {
      for (String kind : List.of("texts", "pairs")) {
        assertThat(recorded.path(kind).size()).as(kind).isPositive();
        for (JsonNode entry : recorded.path(kind)) {
          for (var list : entry.properties()) {
            Matcher name = LIST.matcher(list.getKey());
            if (list.getValue().isArray() && name.matches()) {
              int most =
                  name.group(2) == null ? Integer.MAX_VALUE : Integer.parseInt(name.group(2));
              int[] found = ids(tokenizer, entry, most, Optional.ofNullable(name.group(4)));
              int[] expected = GoldenSet.row(list.getValue());
              lists++;
              if (!Arrays.equals(found, expected)) {
                wrong++;
                System.out.println(kind + " " + entry + " gives " + Arrays.toString(found));
              }
            }
          }
        }
      }
    }
    System.out.printf(
        "parity %-38s %d lists of ids, %d other than recorded, %s%n",
        "tokenizer", lists, wrong, wrong == 0 ? "passed" : "FAILED");
    assertThat(wrong).isZero();
  }

  private static int[] ids(Tokenizer tokenizer, JsonNode entry, int most, Optional<String> cut) {
    if (entry.has("text")) {
      return tokenizer.encode(entry.path("text").asText(), most);
    }
    PairCut how =
        cut.map(name -> PairCut.valueOf(name.toUpperCase(Locale.ROOT)))
            .orElse(PairCut.LONGEST_FIRST);
    return tokenizer
        .encodePair(entry.path("a").asText(), entry.path("b").asText(), most, how)
        .ids();
  }
}
