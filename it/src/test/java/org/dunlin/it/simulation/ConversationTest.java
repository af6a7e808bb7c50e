package org.dunlin.it.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Conversations that matter, word for word: every file of {@code conversations}. */
@Tag("simulation")
class ConversationTest {
  static List<Path> scripts() throws IOException, URISyntaxException {
    Path folder =
        Path.of(
            Objects.requireNonNull(ConversationTest.class.getResource("/conversations")).toURI());
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("scripts")
  void shouldGoAsWritten(Path file) throws IOException {
    String script = Files.readString(file);
    assertThat(Conversation.play(script)).isEqualTo(script);
  }
}
