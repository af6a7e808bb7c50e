package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunFolderTest {
  @TempDir private Path parent;
  private Path run;

  @BeforeEach
  void makeAnOldRun() throws Exception {
    run = parent.resolve("run");
    Files.createDirectories(run.resolve("model-after-7-steps"));
    Files.writeString(run.resolve("model-after-7-steps/model.safetensors"), "old");
    Files.writeString(run.resolve("metrics.jsonl"), "old");
    Files.writeString(run.resolve("run.conf"), "old");
    Files.writeString(run.resolve("ledger-000002.bin"), "old");
    Files.writeString(run.resolve("notes.txt"), "mine");
  }

  @Test
  void shouldRefuseAFolderThatIsNotEmpty() {
    assertThatThrownBy(() -> RunFolder.create(run, false, List.of()))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("not empty");
    assertThat(run.resolve("metrics.jsonl")).exists();
  }

  @Test
  void shouldRemoveOnlyWhatARunWrote() {
    try (RunFolder folder = RunFolder.create(run, true, List.of())) {
      assertThat(folder.path().resolve("notes.txt")).hasContent("mine");
      assertThat(run.resolve("model-after-7-steps")).doesNotExist();
      assertThat(run.resolve("metrics.jsonl")).doesNotExist();
      assertThat(run.resolve("ledger-000002.bin")).doesNotExist();
    }
  }

  @Test
  void shouldNotOverwriteWhatIsNoRunFolder() throws Exception {
    Files.delete(run.resolve("run.conf"));
    assertThatThrownBy(() -> RunFolder.create(run, true, List.of()))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("run.conf");
    assertThat(run.resolve("metrics.jsonl")).exists();
  }

  @Test
  void shouldNotRemoveTheModelThatItIsToTrain() {
    Path model = run.resolve("model-after-7-steps");
    assertThatThrownBy(() -> RunFolder.create(run, true, List.of(model)))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(model.toString());
    assertThat(model.resolve("model.safetensors")).exists();
  }

  @Test
  void shouldBeUsedByOneRunAtATimeAndByTheNextAfterwards() throws Exception {
    try (RunFolder first = RunFolder.create(run, true, List.of())) {
      Path path = first.path();
      Files.writeString(path.resolve("run.conf"), "new");
      assertThatThrownBy(() -> RunFolder.create(path, true, List.of()).close())
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("has not ended");
      assertThat(path.resolve("run.conf")).exists();
    }
    RunFolder.create(run, true, List.of()).close();
  }
}
