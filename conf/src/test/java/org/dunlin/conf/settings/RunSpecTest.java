package org.dunlin.conf.settings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.SafetensorsWriter;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.protocol.run.OptimizerSpec.Schedule;
import org.dunlin.protocol.run.RunSpec;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What settings and a model folder make together. */
class RunSpecTest {
  private static final EncoderSpec TINY =
      new EncoderSpec(Family.BERT, 9, 40, 2, 4, 1, 2, 8, 1e-12, 0, 0.1, 0.2);

  @TempDir Path folder;

  @BeforeEach
  void writeATinyModel() throws IOException {
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type": "bert", "vocab_size": 9, "max_position_embeddings": 40,
         "type_vocab_size": 2, "hidden_size": 4, "num_hidden_layers": 1,
         "num_attention_heads": 2, "intermediate_size": 8, "pad_token_id": 0,
         "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2}
        """);
    var tensors = EncoderTensors.expected(TINY);
    Path weights = folder.resolve("model.safetensors");
    try (SafetensorsWriter writer = new SafetensorsWriter(weights, tensors)) {
      for (Tensor tensor : tensors) {
        writer.put(tensor.name(), 0, FloatBuffer.allocate((int) tensor.elements()));
      }
      writer.finish();
    }
  }

  @Test
  void shouldTakeFromTheModelWhatIsLeftToIt() throws IOException {
    Files.createDirectory(folder.resolve("1_Pooling"));
    Files.writeString(
        folder.resolve("1_Pooling/config.json"), "{\"pooling_mode_mean_tokens\": true}");

    RunSpec spec = spec(Map.of(), 95);

    assertThat(spec.encoder()).isEqualTo(TINY);
    assertThat(spec.weightsSha256()).matches("[0-9a-f]{64}");
    assertThat(spec.dataSha256()).isEqualTo("d");
    assertThat(spec.loss()).isEqualTo(LossSpec.contrastive(Pooling.MEAN, true, 0.05, true));
    assertThat(spec.batch().queryMaxTokens()).isEqualTo(40);
    assertThat(spec.batch().passageMaxTokens()).isEqualTo(40);
    assertThat(spec.optimizer())
        .isEqualTo(new OptimizerSpec(2e-5, Schedule.LINEAR, 10, 0.01, 0.9, 0.999, 1e-8, 1));
  }

  @Test
  void shouldLetSettingsWinOverTheModel() {
    RunSpec spec =
        spec(
            Map.of(
                "model.pooling", "last-token",
                "model.hidden-dropout", 0,
                "model.attention-dropout", "0.5",
                "optimizer.warmup-steps", 3,
                "data.query-max-tokens", 8),
            95);

    assertThat(spec.loss().pooling()).isEqualTo(Pooling.LAST_TOKEN);
    assertThat(spec.encoder()).isEqualTo(TINY.withDropout(0, 0.5));
    assertThat(spec.optimizer().warmupSteps()).isEqualTo(3);
    assertThat(spec.batch().queryMaxTokens()).isEqualTo(8);
  }

  @Test
  void shouldPoolTheFirstTokenAndMaskNothingAsFlagEmbeddingDoes() {
    LossSpec loss = spec(Map.of("compat", "flagembedding"), 1).loss();

    assertThat(loss.pooling()).isEqualTo(Pooling.CLS);
    assertThat(loss.maskDuplicates()).isFalse();
  }

  @Test
  void shouldCarryTeacherAndLeadingPartsIntoTheLoss() {
    RunSpec spec = spec(Map.of("loss.distillation", "m3", "loss.mrl-dims", List.of(2, 4)), 1);

    assertThat(spec.loss().distillation()).isEqualTo(LossSpec.Distillation.M3_KD_LOSS);
    assertThat(spec.loss().matryoshkaDims()).containsExactly(2, 4);
    assertThat(spec.data().distillation()).isTrue();
  }

  @Test
  void shouldTrainTheThreeHeadsAsTold() throws IOException {
    writeTokens();
    Map<String, Object> keys = new HashMap<>();
    keys.put("model.unified", true);
    keys.put("model.colbert-dim", 3);
    keys.put("model.fix-encoder", true);
    keys.put("loss.self-distillation", true);
    keys.put("loss.self-distillation-start-step", 5);
    keys.put("train.accumulation", 2);
    keys.put("micro-batch.rows", 7);
    keys.put("gradient-checkpointing", true);
    keys.put("optimizer.schedule", "cosine");

    RunSpec spec = spec(keys, 100);

    assertThat(spec.heads()).isEqualTo(HeadSpec.unified(3, List.of(2, 3, 0, 1)));
    assertThat(spec.optimizer().frozen()).isEqualTo(Frozen.ENCODER);
    assertThat(spec.optimizer().schedule()).isEqualTo(Schedule.COSINE);
    assertThat(spec.loss().selfDistillStart()).isEqualTo(5);
    assertThat(spec.batch().pools()).isEqualTo(2);
    assertThat(spec.batch().microBatchRows()).isEqualTo(7);
    assertThat(spec.compute().recomputesLayers()).isTrue();
  }

  @Test
  void shouldTrainOneHeadAndKeepLayersUnlessTold() throws IOException {
    writeTokens();
    RunSpec spec = spec(Map.of(), 100);
    RunSpec unified = spec(Map.of("model.unified", true), 100);

    assertThat(spec.heads()).isEqualTo(HeadSpec.DENSE);
    assertThat(spec.loss().selfDistillStart()).isEqualTo(LossSpec.NEVER);
    assertThat(spec.optimizer().frozen()).isEqualTo(Frozen.NOTHING);
    assertThat(spec.compute()).isEqualTo(ComputeSpec.PLAIN);
    assertThat(unified.heads().vectorWidth()).isEqualTo(4);
    assertThat(unified.loss().selfDistillStart()).isEqualTo(LossSpec.NEVER);
    assertThat(unified.loss().padsInMaxSim()).isFalse();
  }

  @Test
  void shouldFreezeThePositionEmbeddingWithOneHeadToo() {
    RunSpec spec = spec(Map.of("model.fix-position-embedding", true), 100);

    assertThat(spec.optimizer().frozen()).isEqualTo(Frozen.POSITIONS);
  }

  @Test
  void shouldCountPaddingInMaxSimAsFlagEmbeddingDoes() throws IOException {
    writeTokens();
    RunSpec spec = spec(Map.of("model.unified", true, "compat", "flagembedding"), 1);

    assertThat(spec.loss().padsInMaxSim()).isTrue();
  }

  /** Ids 0 to 3 of BERT's special tokens. */
  private void writeTokens() throws IOException {
    Files.writeString(
        folder.resolve("tokenizer.json"),
        """
        {"added_tokens": [
          {"id": 0, "content": "[PAD]"}, {"id": 1, "content": "[UNK]"},
          {"id": 2, "content": "[CLS]"}, {"id": 3, "content": "[SEP]"}]}
        """);
  }

  @Test
  void shouldCarryThePrecision() {
    assertThat(spec(Map.of(), 1).compute()).isEqualTo(ComputeSpec.PLAIN);
    assertThat(spec(Map.of("precision", "bf16", "gradient-checkpointing", true), 1).compute())
        .isEqualTo(new ComputeSpec(Precision.BF16, true));
    assertThat(spec(Map.of("precision", "fp16"), 1).compute().precision())
        .isEqualTo(Precision.FP16);
  }

  @Test
  void shouldRefuseWhatTheModelCannotHold() {
    assertThatThrownBy(() -> spec(Map.of("data.passage-max-tokens", 41), 1))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("data.passage-max-tokens: 41 (expected: at most 40, what");
    assertThatThrownBy(() -> spec(Map.of("loss.mrl-dims", 5), 1))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("loss.mrl-dims: 5 (expected: at most 4, the width");
  }

  private RunSpec spec(Map<String, ?> overrides, long steps) {
    try (ModelFolder model = ModelFolder.open(folder)) {
      Settings settings = Settings.load(Optional.empty(), overrides);
      ModelFolder own = settings.withHeads(model);
      return settings.runSpec(own, steps, "d");
    }
  }
}
