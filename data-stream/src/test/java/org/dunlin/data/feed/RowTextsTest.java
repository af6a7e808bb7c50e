package org.dunlin.data.feed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.dunlin.data.draws.Draws;
import org.dunlin.data.plan.Group;
import org.dunlin.data.samples.Sample;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.DataSpec.ByLength;
import org.dunlin.protocol.run.TextTemplate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is put before queries and passages, and how long positives are shuffled. */
class RowTextsTest {
  private static final Group GROUP = new Group(1, new int[] {2, 0});

  @Test
  void shouldGiveBareTextsWithoutInstructions() {
    RowTexts texts = texts(row(Optional.empty()), false, DataSpec.Texts.BARE, false, false);
    assertThat(texts).isEqualTo(new RowTexts("q", List.of("p1", "n2", "n0"), texts.passages()));
    assertThat(texts.passages()).isEqualTo(texts.bare());
    // Where FlagEmbedding would say "Noneq".
    assertThat(texts(row(Optional.empty()), false, DataSpec.Texts.BARE, true, false).query())
        .isEqualTo("q");
  }

  @Test
  void shouldFillTheTemplates() {
    DataSpec.Texts both =
        new DataSpec.Texts(
            "Find",
            new TextTemplate("Instruct: {}\\nQuery: {}"),
            "Doc",
            new TextTemplate("{{{}}} {}"));
    RowTexts texts = texts(row(Optional.empty()), false, both, true, false);
    assertThat(texts.query()).isEqualTo("Instruct: Find\nQuery: q");
    assertThat(texts.passages()).containsExactly("{Doc} p1", "{Doc} n2", "{Doc} n0");
    assertThat(texts.bare()).containsExactly("p1", "n2", "n0");
    assertThat(texts(row(Optional.of("Own")), false, both, true, false).query())
        .isEqualTo("Instruct: Own\nQuery: q");
    assertThat(texts(row(Optional.of("Own")), true, both, true, false).passages())
        .containsExactly(
            "Instruct: Own\nQuery: p1", "Instruct: Own\nQuery: n2", "Instruct: Own\nQuery: n0");
  }

  @Test
  void shouldTakeAPromptWithoutAnInstructionUnlessCompatible() {
    Sample row = row(Optional.of("Own: "));
    assertThat(texts(row, false, DataSpec.Texts.BARE, false, false).query()).isEqualTo("Own: q");
    assertThat(texts(row, false, DataSpec.Texts.BARE, false, true).query()).isEqualTo("q");
    assertThat(texts(row, false, DataSpec.Texts.BARE, true, true).query()).isEqualTo("Own: q");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{}", "{}{}{}", "{0}{1}", "{} {", "{a} {} {}", "{}}{}"})
  void shouldRefuseTemplatesWithoutTwoPlaces(String form) {
    assertThatThrownBy(() -> new TextTemplate(form))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("template: '" + form + "' (expected: two {}");
  }

  @Property(tries = 200)
  void aLongPositiveKeepsItsThreeParts(
      @ForAll long seed, @ForAll @IntRange(min = 101, max = 160) int length) {
    // Letters from beyond the first 65 536, of which one takes two chars.
    int[] letters = IntStream.range(0, length).map(at -> 0x1F300 + at).toArray();
    String text = new String(letters, 0, length);
    String shuffled = RowTexts.shuffled(text, 1, draws(seed));
    int part = length / 3 + 1;
    List<String> parts =
        Stream.of(0, 1, 2)
            .map(n -> new String(letters, n * part, Math.min(part, length - n * part)))
            .toList();
    assertThat(List.of(shuffled.split(" ", -1))).containsExactlyInAnyOrderElementsOf(parts);
    assertThat(RowTexts.shuffled(text, 1, draws(seed))).isEqualTo(shuffled);
  }

  @Test
  void shouldShuffleOnlyLongTextsAndOnlyAsOftenAsAsked() {
    String longText = "abcdefghij".repeat(11);
    TreeSet<String> orders = new TreeSet<>();
    int changed = 0;
    for (int seed = 0; seed < 2000; seed++) {
      assertThat(RowTexts.shuffled(longText.substring(0, 100), 1, draws(seed))).hasSize(100);
      assertThat(RowTexts.shuffled(longText, 0, draws(seed))).isEqualTo(longText);
      orders.add(RowTexts.shuffled(longText, 1, draws(seed)));
      changed += RowTexts.shuffled(longText, 0.25, draws(seed)).equals(longText) ? 0 : 1;
    }
    assertThat(orders).hasSize(6);
    assertThat(changed).isBetween(430, 570);
  }

  private static Draws draws(long seed) {
    return new Draws(seed, Draws.Kind.TEXT_SHUFFLE, 0, 7);
  }

  private static RowTexts texts(
      Sample row, boolean symmetric, DataSpec.Texts texts, boolean sameDataset, boolean compat) {
    DataSpec spec = new DataSpec(sameDataset, 0, 0, 100, 0, texts, false, 1, ByLength.NONE, compat);
    return RowTexts.of(row, GROUP, symmetric, spec, draws(1));
  }

  private static Sample row(Optional<String> prompt) {
    return new Sample(
        0,
        "q",
        List.of("p0", "p1"),
        List.of("n0", "n1", "n2"),
        List.of(),
        List.of(),
        prompt,
        Optional.empty(),
        OptionalInt.empty(),
        OptionalInt.empty());
  }
}
