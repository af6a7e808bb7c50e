package org.dunlin.data.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files that torch.save wrote (see make.py beside them) are read as PyTorch would read them. */
class TorchFileTest {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));
  private static final Path TORCH = Path.of("src/test/resources/torch");

  @TempDir Path folder;

  @Test
  void shouldReadViewsOfOneStorageAsWhatTheyStandFor() {
    try (TorchFile file = TorchFile.open(TORCH.resolve("views.bin"))) {
      assertThat(values(file, "whole")).hasSize(24).startsWith(0, 1, 2).endsWith(22, 23);
      assertThat(values(file, "transposed")).startsWith(0, 6, 12, 18, 1, 7).endsWith(17, 23);
      assertThat(values(file, "column")).containsExactly(2, 8, 14, 20);
      assertThat(values(file, "block")).containsExactly(7, 8, 9, 10, 13, 14, 15, 16);
      assertThat(values(file, "expanded")).containsExactly(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2);
      assertThat(values(file, "scalar")).containsExactly(23);
      assertThat(values(file, "empty")).isEmpty();
      assertThat(values(file, "parameter"))
          .containsExactly(12.5f, 13.5f, 14.5f, 15.5f, 16.5f, 17.5f);
      float[] part = new float[3];
      file.read("transposed", 5, FloatBuffer.wrap(part));
      assertThat(part).containsExactly(7, 13, 19);
      assertThatThrownBy(() -> file.read("transposed", 22, FloatBuffer.wrap(part)))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void shouldReadEveryFloatingTypeAndPassOverWholeNumbers() {
    try (TorchFile file = TorchFile.open(TORCH.resolve("views.bin"))) {
      for (int at = 0; at < 24; at++) {
        assertThat(values(file, "double")[at]).isEqualTo(at / 7.0f);
        assertThat(values(file, "half")[at]).isEqualTo(at / 7f, within(0.002f));
        assertThat(values(file, "bfloat")[at]).isEqualTo(at / 7f, within(0.01f));
      }
      assertThat(file.contains("position_ids")).isFalse();
      assertThat(file.contains("flags")).isFalse();
    }
  }

  @Test
  void shouldReadAModulesStateWithItsMetadata() {
    for (String name : List.of("module.pt", "protocol4.pt")) {
      try (TorchFile file = TorchFile.open(TORCH.resolve(name))) {
        assertThat(file.tensors()).containsExactly(Tensor.of("weight", 2, 3), Tensor.of("bias", 2));
        assertThat(values(file, "weight")).doesNotContain(0);
      }
    }
  }

  @Test
  void shouldReadAModelAsItsSafetensors() {
    try (TorchFile bin = TorchFile.open(FIXTURES.resolve("model_bin/pytorch_model.bin"));
        SafetensorsFile safe = SafetensorsFile.open(FIXTURES.resolve("model/model.safetensors"))) {
      assertThat(bin.tensors()).containsExactlyInAnyOrderElementsOf(safe.tensors());
      for (Tensor tensor : safe.tensors()) {
        float[] expected = new float[(int) tensor.elements()];
        safe.read(tensor.name(), 0, FloatBuffer.wrap(expected));
        assertThat(values(bin, tensor.name())).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "evil.pt | its pickle wants posix.system (expected: only tensors",
        "whole-module.pt | its pickle wants torch.nn.modules.linear.Linear (expected: only tensors",
        "checkpoint.pt | holds a dictionary under 'state_dict' (expected: a dictionary of tensors",
        "old-format.bin | has no zip directory at its end; it is cut short or no zip file; it may be in the format from before PyTorch 1.6",
      })
  void shouldRefuseWhatIsNoDictionaryOfTensors(String name, String sentence) {
    Path file = TORCH.resolve(name);
    assertThatThrownBy(() -> TorchFile.open(file))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(file + ": " + sentence)
        .hasMessageNotContaining("\n");
    assertThat(Path.of("/tmp/dunlin-was-here")).doesNotExist();
  }

  @Test
  void shouldRefuseAFileThatIsCutShortAnywhere() throws Exception {
    byte[] whole = Files.readAllBytes(TORCH.resolve("module.pt"));
    for (int length = 0; length < whole.length; length += 97) {
      Path cut = folder.resolve("cut.pt");
      Files.write(cut, java.util.Arrays.copyOf(whole, length));
      assertThatThrownBy(() -> TorchFile.open(cut).close())
          .isInstanceOf(Refusal.class)
          .hasMessageStartingWith(cut + ": ");
    }
  }

  @Test
  void shouldRefuseOrReadAFileWithAnyByteChanged() throws Exception {
    byte[] whole = Files.readAllBytes(TORCH.resolve("module.pt"));
    Path changed = folder.resolve("changed.pt");
    for (int at = 0; at < whole.length; at += 3) {
      byte[] bytes = whole.clone();
      bytes[at] ^= 0x55;
      Files.write(changed, bytes);
      try (TorchFile file = TorchFile.open(changed)) {
        file.tensors().forEach(tensor -> values(file, tensor.name()));
      } catch (Refusal e) {
        assertThat(e).hasMessageStartingWith(changed + ": ").hasMessageNotContaining("\n");
      }
    }
  }

  static float[] values(WeightsFile file, String name) {
    Tensor tensor =
        file.tensors().stream().filter(t -> t.name().equals(name)).findFirst().orElseThrow();
    float[] values = new float[(int) tensor.elements()];
    file.read(name, 0, FloatBuffer.wrap(values));
    return values;
  }
}
