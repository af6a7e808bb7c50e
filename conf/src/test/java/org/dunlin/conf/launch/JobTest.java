package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.dunlin.conf.settings.Settings;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JobTest {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));

  @TempDir private Path folder;

  @Test
  void shouldRefuseToTrainARerankerBeforeAnythingIsWritten() {
    Path reranker = FIXTURES.resolve("reranker");
    Path run = folder.resolve("run");
    Map<String, Object> keys =
        Map.of(
            "model.path", reranker,
            "data.files", FIXTURES.resolve("train.jsonl"),
            "run.output", run);
    assertThatThrownBy(() -> Job.open(Settings.load(Optional.empty(), keys)).close())
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(reranker + ": a reranker")
        .hasMessageContaining("dunlin score");
    assertThat(run).doesNotExist();
  }
}
