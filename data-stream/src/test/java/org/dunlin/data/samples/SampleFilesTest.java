package org.dunlin.data.samples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows are found again where they lie, and what is wrong with a line is said with its place. */
class SampleFilesTest {
  private static final String GOOD = "{\"query\": \"q\", \"pos\": [\"p\"], \"neg\": [\"n\"]}";

  @TempDir Path folder;

  @Test
  void shouldCountRowsThroughAllFilesOfAFolderInOrderOfTheirNames() throws Exception {
    Path later = write("b.jsonl", row("b0") + "\n" + row("b1"));
    Path first = write("a.json", "\n" + row("a0") + "\r\n   \n" + row("ä1 😀") + "\n\n");
    write("c.txt", "not data");
    try (SampleFiles samples = SampleFiles.open(List.of(folder))) {
      assertThat(samples.count()).isEqualTo(4);
      assertThat(IntStream.range(0, 4).mapToObj(id -> samples.read(id).query()))
          .containsExactly("a0", "ä1 😀", "b0", "b1");
      assertThat(samples.read(3)).isEqualTo(new Sample(3, "b1", List.of("p1", "p2"), List.of("n")));
      assertThat(samples.rowsRead()).isEqualTo(5);
      assertThat(samples.sha256()).isEqualTo(sha256(first, later));
    }
  }

  @Test
  void shouldFindRowsAcrossTheScansBuffers() throws Exception {
    String text = "x".repeat(700_001);
    Path file = write("long.jsonl", row(text + 0) + "\n" + row(text + 1) + "\n" + row(text + 2));
    try (SampleFiles samples = SampleFiles.open(List.of(file))) {
      for (int id = 0; id < 3; id++) {
        assertThat(samples.read(id).query()).isEqualTo(text + id);
      }
    }
  }

  @Test
  void shouldTakeRowsWithoutNegativesUntilTheyAreNeeded() throws Exception {
    Path file =
        write("a.jsonl", GOOD + "\n\n{\"pos\":[\"p\"],\"query\":\"\",\"neg\":null,\"s\":[NaN]}");
    try (SampleFiles samples = SampleFiles.open(List.of(file))) {
      assertThat(samples.read(1).negatives()).isEmpty();
      assertThat(samples.files().get(0).facts().lineWithoutNegatives()).hasValue(3L);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "hello | line 2: is not JSON: ",
        "[1] | line 2: is not a JSON object",
        "{\"query\": \"q\", \"pos\": [\"p\"] | line 2: is not JSON: ",
        "{\"query\": \"q\", \"pos\": [\"p\"]} {} | line 2: goes on after its JSON object",
        "{\"pos\": [\"p\"]} | line 2: lacks query (expected: a string)",
        "{\"query\": 7, \"pos\": [\"p\"]} | line 2: query is a number (expected: a string)",
        "{\"query\": \"q\"} | line 2: lacks pos (expected: a list of strings)",
        "{\"query\": \"q\", \"pos\": \"p\"} | line 2: pos is a string (expected: a list of strings)",
        "{\"query\": \"q\", \"pos\": []} | line 2: pos is empty (expected: at least one string)",
        "{\"query\": \"q\", \"pos\": [\"p\", null]} | line 2: pos[1] is null (expected: a string)",
        "{\"query\": \"q\", \"pos\": [\"p\"], \"neg\": {}} | line 2: neg is an object (expected: a list",
        "{\"query\": \"q\", \"pos\": [\"p\"], \"prompt\": 7} | line 2: prompt is a number (expected: a string)",
        "{\"query\": \"q\", \"pos\": [\"p\"], \"type\": []} | line 2: type is a list (expected: a string)",
        "{\"query\": \"q\", \"pos\": [\"p\"], \"batch_size\": 0} | line 2: batch_size is 0 (expected: a whole number from 1)",
        "{\"query\": \"q\", \"pos\": [\"p\"], \"train_group_size\": 2.5} | line 2: train_group_size is 2.5 (expected: a whole",
      })
  void shouldSayWhatIsWrongWithALine(String line, String sentence) throws Exception {
    Path file = write("a.jsonl", GOOD + "\n" + line + "\n" + GOOD);
    assertRefusal(() -> SampleFiles.open(List.of(file)), Refusal.Kind.RUN)
        .hasMessageStartingWith(file + ": " + sentence);
  }

  @Test
  void shouldRefuseWhatIsNotThere() throws Exception {
    Path missing = folder.resolve("missing.jsonl");
    assertRefusal(() -> SampleFiles.open(List.of(missing)), Refusal.Kind.USAGE)
        .hasMessageContaining("missing.jsonl: no such file");
    assertRefusal(() -> SampleFiles.open(List.of(folder)), Refusal.Kind.USAGE)
        .hasMessageContaining("no .json or .jsonl file");
    Path empty = write("empty.jsonl", "\n \n");
    assertRefusal(() -> SampleFiles.open(List.of(empty)), Refusal.Kind.RUN)
        .hasMessageContaining("empty.jsonl")
        .hasMessageContaining("no rows");
  }

  @Test
  void shouldRefuseARowThatChangedSinceItWasChecked() throws Exception {
    Path file = write("a.jsonl", GOOD + "\n" + GOOD);
    try (SampleFiles samples = SampleFiles.open(List.of(file))) {
      Files.writeString(file, GOOD.replace("query", "quest") + "\n");
      assertRefusal(() -> samples.read(0), Refusal.Kind.RUN).hasMessageContaining("changed while");
      assertRefusal(() -> samples.read(1), Refusal.Kind.RUN).hasMessageContaining("changed while");
    }
  }

  private static AbstractThrowableAssert<?, ?> assertRefusal(
      ThrowingCallable call, Refusal.Kind kind) {
    return assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            Refusal.class, refusal -> assertThat(refusal.kind()).isEqualTo(kind));
  }

  private Path write(String name, String content) throws IOException {
    return Files.writeString(folder.resolve(name), content);
  }

  private static String row(String query) {
    return "{\"meta\": {\"a\": [1]}, \"query\": \"%s\", \"pos\": [\"p1\", \"p2\"], \"neg\": [\"n\"]}"
        .formatted(query);
  }

  private static String sha256(Path... files) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    for (Path file : files) {
      digest.update(Files.readAllBytes(file));
    }
    return HexFormat.of().formatHex(digest.digest());
  }
}
