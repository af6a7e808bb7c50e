package org.dunlin.it.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Conversations that matter, word for word. */
@Tag("simulation")
class ConversationTest {

  @ParameterizedTest
  @ValueSource(
      strings = {
        "calm-step",
        "worker-lost-in-a-step",
        "commit-overtaken",
        "memory-short-twice",
        "save-source-lost",
        "spare",
        "joins-under-way",
        "leaves-in-order",
        "measured",
        "checkpoint-and-all-lost",
        "snapshot-of-a-member",
        "other-kernels",
        "all-other-kernels"
      })
  void shouldGoAsWritten(String name) throws IOException {
    try (InputStream file =
        ConversationTest.class.getResourceAsStream("/conversations/" + name + ".txt")) {
      String script = new String(file.readAllBytes(), StandardCharsets.UTF_8);
      assertThat(Conversation.play(script)).isEqualTo(script);
    }
  }
}
