package org.dunlin.data.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.LossSpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A folder's heads are read, made where there are none, and written so that they are read again.
 */
class HeadsTest {
  private static final Path GOLDEN = Path.of(System.getProperty("dunlin.fixtures"));
  private static final int HIDDEN = 64;

  @TempDir Path temp;

  @Test
  void shouldReadAFoldersOwnHeads() {
    try (ModelFolder model =
        ModelFolder.open(GOLDEN.resolve("model")).withHeads(OptionalInt.empty(), 1)) {
      assertThat(model.colbertDim()).hasValue(HIDDEN);
      assertThat(model.headsOrigin().orElseThrow()).contains("read from");
      assertThat(model.tensors())
          .endsWith(
              Tensor.of("colbert_linear.weight", HIDDEN, HIDDEN),
              Tensor.of("colbert_linear.bias", HIDDEN),
              Tensor.of("sparse_linear.weight", 1, HIDDEN),
              Tensor.of("sparse_linear.bias", 1));
      try (TorchFile file = TorchFile.open(GOLDEN.resolve("model/sparse_linear.pt"))) {
        assertThat(values(model).get("sparse_linear.weight"))
            .isEqualTo(TorchFileTest.values(file, "weight"));
      }
    }
  }

  @Test
  void shouldRefuseHeadsOfAnotherWidth() {
    ModelFolder model = ModelFolder.open(GOLDEN.resolve("model"));
    assertThatThrownBy(() -> model.withHeads(OptionalInt.of(32), 1))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("colbert_linear.pt")
        .hasMessageContaining("width 64 (expected: colbert-dim 32)");
    model.close();
  }

  @Test
  void shouldDrawFreshHeadsFromTheSeedWhereAFileIsMissing() throws Exception {
    Path folder = copy("fresh");
    Files.delete(folder.resolve("colbert_linear.pt"));
    Map<String, float[]> first;
    try (ModelFolder model = ModelFolder.open(folder).withHeads(OptionalInt.of(16), 7)) {
      assertThat(model.colbertDim()).hasValue(16);
      assertThat(model.headsOrigin().orElseThrow())
          .contains("fresh, drawn from seed 7")
          .contains("no colbert_linear.pt");
      first = values(model);
      for (String head : List.of("colbert_linear.weight", "sparse_linear.weight")) {
        for (float value : first.get(head)) {
          assertThat(value).isBetween(-0.125f, 0.125f);
        }
      }
      assertThat(first.get("colbert_linear.weight")).hasSize(16 * HIDDEN).doesNotHaveDuplicates();
      float[] part = new float[5];
      model.read(Tensor.of("colbert_linear.weight", 16, HIDDEN), 100, FloatBuffer.wrap(part));
      assertThat(part)
          .isEqualTo(java.util.Arrays.copyOfRange(first.get("colbert_linear.weight"), 100, 105));
    }
    try (ModelFolder again = ModelFolder.open(folder).withHeads(OptionalInt.of(16), 7);
        ModelFolder other = ModelFolder.open(folder).withHeads(OptionalInt.of(16), 8)) {
      assertThat(values(again).get("sparse_linear.weight"))
          .isEqualTo(first.get("sparse_linear.weight"));
      assertThat(values(other).get("sparse_linear.weight"))
          .isNotEqualTo(first.get("sparse_linear.weight"));
    }
  }

  @Test
  void shouldWriteHeadsThatAreReadAgain() throws Exception {
    Path folder = copy("source");
    for (String file : List.of("sparse_linear.pt", "colbert_linear.pt")) {
      Files.copy(
          GOLDEN.resolve("colbert_small").resolve(file),
          folder.resolve(file),
          java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    }
    Path target = temp.resolve("written");
    Map<String, float[]> expected;
    try (ModelFolder model = ModelFolder.open(folder).withHeads(OptionalInt.of(32), 7)) {
      expected = values(model);
      write(model, target);
    }
    try (ModelFolder written = ModelFolder.open(target).withHeads(OptionalInt.empty(), 1)) {
      assertThat(values(written))
          .allSatisfy((name, head) -> assertThat(head).isEqualTo(expected.get(name)));
    }
  }

  @Test
  void shouldWriteEqualBytesForEqualTensors() throws Exception {
    Map<Tensor, FloatBuffer> tensors = new java.util.LinkedHashMap<>();
    tensors.put(Tensor.of("weight", 2, 3), FloatBuffer.wrap(new float[] {1, 2, 3, 4, 5, 6}));
    tensors.put(Tensor.of("bias", 2), FloatBuffer.wrap(new float[] {-1, 0.5f}));
    TorchWriter.write(temp.resolve("a.pt"), tensors);
    Files.createDirectory(temp.resolve("again"));
    TorchWriter.write(temp.resolve("again/a.pt"), tensors);
    assertThat(temp.resolve("again/a.pt")).hasSameBinaryContentAs(temp.resolve("a.pt"));
    try (TorchFile file = TorchFile.open(temp.resolve("a.pt"))) {
      assertThat(file.tensors()).containsExactlyElementsOf(tensors.keySet());
      assertThat(TorchFileTest.values(file, "weight")).containsExactly(1, 2, 3, 4, 5, 6);
      assertThat(TorchFileTest.values(file, "bias")).containsExactly(-1, 0.5f);
    }
  }

  @Test
  void shouldWriteNoHeadsWithoutThem() throws Exception {
    Path target = temp.resolve("written");
    try (ModelFolder model = ModelFolder.open(GOLDEN.resolve("model"))) {
      write(model, target);
    }
    assertThat(target.resolve("model.safetensors")).exists();
    assertThat(target.resolve("sparse_linear.pt")).doesNotExist();
  }

  @Test
  void shouldOpenAFolderWithPytorchModelBin() throws Exception {
    Path folder = copy("bin");
    Files.delete(folder.resolve("model.safetensors"));
    assertThatThrownBy(() -> ModelFolder.open(folder))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("no readable model.safetensors or pytorch_model.bin");
    Files.copy(GOLDEN.resolve("model_bin/pytorch_model.bin"), folder.resolve("pytorch_model.bin"));
    try (ModelFolder bin = ModelFolder.open(folder);
        ModelFolder safe = ModelFolder.open(GOLDEN.resolve("model"))) {
      assertThat(bin.tensors()).isEqualTo(safe.tensors());
      assertThat(values(bin))
          .allSatisfy((name, v) -> assertThat(v).isEqualTo(values(safe).get(name)));
      assertThat(bin.carried()).containsExactlyInAnyOrderElementsOf(safe.carried());
      assertThat(bin.weightsSha256()).isEqualTo(Sha256.of(folder.resolve("pytorch_model.bin")));
    }
  }

  @Test
  void shouldOpenAModelInShards() throws Exception {
    Path folder = copy("shards");
    Files.move(folder.resolve("model.safetensors"), folder.resolve("part-2.safetensors"));
    Files.copy(GOLDEN.resolve("model_bin/pytorch_model.bin"), folder.resolve("part-1.bin"));
    StringBuilder index = new StringBuilder("{\"weight_map\": {");
    try (SafetensorsFile file = SafetensorsFile.open(folder.resolve("part-2.safetensors"))) {
      int number = 0;
      for (Tensor tensor : file.tensors()) {
        String shard = number++ % 2 == 0 ? "part-1.bin" : "part-2.safetensors";
        index.append("\"%s\": \"%s\",".formatted(tensor.name(), shard));
      }
    }
    index.setCharAt(index.length() - 1, '}');
    Files.writeString(folder.resolve("model.safetensors.index.json"), index + "}");
    try (ModelFolder sharded = ModelFolder.open(folder);
        ModelFolder whole = ModelFolder.open(GOLDEN.resolve("model"))) {
      assertThat(values(sharded))
          .allSatisfy((name, v) -> assertThat(v).isEqualTo(values(whole).get(name)));
      assertThat(sharded.weightsSha256()).hasSize(64);
    }
  }

  @Test
  void shouldKnowTheSpecialIds() throws Exception {
    try (ModelFolder model = ModelFolder.open(GOLDEN.resolve("model"))) {
      assertThat(model.specialIds()).isEqualTo(new SpecialIds(0, 2, 1, 3));
    }
    Path bare = copy("bare");
    Files.delete(bare.resolve("tokenizer_config.json"));
    Files.delete(bare.resolve("special_tokens_map.json"));
    try (ModelFolder model = ModelFolder.open(bare)) {
      assertThat(model.specialIds()).isEqualTo(new SpecialIds(0, 2, 1, 3));
    }
    Files.writeString(bare.resolve("tokenizer_config.json"), "{\"unk_token\": \"<what>\"}");
    try (ModelFolder model = ModelFolder.open(bare)) {
      assertThatThrownBy(model::specialIds)
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("no special token '<what>'");
    }
  }

  private Path copy(String name) throws IOException {
    Path folder = Files.createDirectory(temp.resolve(name));
    try (Stream<Path> files = Files.list(GOLDEN.resolve("model"))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    return folder;
  }

  private static void write(ModelFolder model, Path target) throws IOException {
    LossSpec loss = new LossSpec(LossSpec.Pooling.CLS, true, 0.02, false);
    try (ModelWriter writer = new ModelWriter(model, loss, target)) {
      for (Map.Entry<String, float[]> tensor : values(model).entrySet()) {
        int half = tensor.getValue().length / 2;
        writer.put(tensor.getKey(), half, bytes(tensor.getValue(), half, tensor.getValue().length));
        writer.put(tensor.getKey(), 0, bytes(tensor.getValue(), 0, half));
      }
      writer.finish();
    }
  }

  private static ByteBuffer bytes(float[] values, int from, int to) {
    ByteBuffer bytes =
        ByteBuffer.allocate((to - from) * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values, from, to - from);
    return bytes;
  }

  private static Map<String, float[]> values(ModelFolder model) {
    Map<String, float[]> all = new HashMap<>();
    for (Tensor tensor : model.tensors()) {
      float[] values = new float[(int) tensor.elements()];
      model.read(tensor, 0, FloatBuffer.wrap(values));
      all.put(tensor.name(), values);
    }
    return all;
  }
}
