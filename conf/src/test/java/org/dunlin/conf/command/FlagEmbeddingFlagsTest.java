package org.dunlin.conf.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.conf.settings.Settings;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A FlagEmbedding command becomes the run it means, or a sentence for every flag that cannot. */
class FlagEmbeddingFlagsTest {
  private static final EncoderSpec LONG =
      new EncoderSpec(EncoderSpec.Family.BERT, 9, 9000, 2, 4, 1, 2, 8, 1e-12, 0, 0.1, 0.2);
  private static final String OWN = "train --model m --data d ";

  @TempDir Path folder;

  private final StringWriter err = new StringWriter();
  private final List<Settings> received = new ArrayList<>();

  @Test
  void shouldTakeACommandAsItIs() {
    assertThat(
            run(
                "train torchrun --nproc_per_node 2 -m FlagEmbedding.finetune.embedder.encoder_only.m3"
                    + " --model_name_or_path bge-m3 --train_data a.jsonl folder/ b.jsonl"
                    + " --train_group_size 4 --query_max_len 64 --passage_max_len 256"
                    + " --same_dataset_within_batch True --small_threshold 0"
                    + " --query_instruction_for_retrieval Find:"
                    + " --query_instruction_format {}\\n{} --output_dir out --overwrite_output_dir"
                    + " --learning_rate 1e-5 --num_train_epochs 2 --per_device_train_batch_size 3"
                    + " --dataloader_drop_last False --warmup_ratio 0.1 --lr_scheduler_type"
                    + " constant_with_warmup --weight_decay 0.01 --logging_steps 1 --save_strategy no"
                    + " --negatives_cross_device --temperature 0.05 --sentence_pooling_method"
                    + " last_token --normalize_embeddings False --max_steps -1 --optim adamw_torch"
                    + " --report_to none --unified_finetuning False --seed 7 --workers 2"))
        .as(err.toString())
        .isZero();
    Settings settings = received.get(0);
    BatchSpec batch = settings.batch(LONG);
    assertThat(settings.modelPath()).isEqualTo(Path.of("bge-m3").toAbsolutePath());
    assertThat(settings.dataFiles())
        .extracting(file -> file.getFileName().toString())
        .containsExactly("a.jsonl", "folder", "b.jsonl");
    assertThat(batch.pairs()).isEqualTo(6);
    assertThat(batch.groupSize()).isEqualTo(4);
    assertThat(batch.queryMaxTokens()).isEqualTo(64);
    assertThat(batch.passageMaxTokens()).isEqualTo(256);
    assertThat(settings.data().devices()).isEqualTo(2);
    assertThat(settings.data().sameDataset()).isTrue();
    assertThat(settings.data().texts().queryTemplate().apply("a", "b")).isEqualTo("a\nb");
    assertThat(settings.epochs()).isEqualTo(2);
    assertThat(settings.steps()).isZero();
    assertThat(settings.seed()).isEqualTo(7);
    assertThat(settings.workers()).isEqualTo(2);
    assertThat(settings.overwrite()).isTrue();
    assertThat(settings.runFolder()).isEqualTo(Path.of("out").toAbsolutePath());
    assertThat(settings.render())
        .contains("model.normalize = false")
        .contains("model.pooling = \"last-token\"")
        .contains("optimizer.schedule = \"constant\"")
        .contains("loss.temperature = 0.05");
    assertThat(err.toString())
        .contains("--query_max_len 64: data.query-max-tokens = 64")
        .contains("batch.size = 3 x 2 = 6: per_device_train_batch_size x world_size; the batch is")
        .contains("--negatives_cross_device true: negatives always come from the whole batch")
        .doesNotContain("FlagEmbedding's defaults");
  }

  @Test
  void shouldTakeFlagEmbeddingsDefaultsWhereItsCommandIsSilent() throws Exception {
    Path file = Files.writeString(folder.resolve("my.conf"), "data.group-size = 5");
    assertThat(run("train " + file + " --model_name_or_path=m --train-data=d --set train.epochs=1"))
        .as(err.toString())
        .isZero();
    Settings settings = received.get(0);
    assertThat(settings.batch(LONG).pairs()).isEqualTo(8);
    assertThat(settings.batch(LONG).groupSize()).isEqualTo(5);
    assertThat(settings.batch(LONG).queryMaxTokens()).isEqualTo(32);
    assertThat(settings.epochs()).isEqualTo(1);
    assertThat(settings.render()).contains("loss.temperature = 0.02");
    assertThat(err.toString())
        .contains("FlagEmbedding's defaults, where nothing else is said: data");
  }

  @Test
  void shouldLetSingleFlagsSetTheirKeysAlone() {
    assertThat(run(OWN + "--query_max_len 99")).isZero();
    BatchSpec batch = received.get(0).batch(LONG);
    assertThat(batch.queryMaxTokens()).isEqualTo(99);
    assertThat(batch.groupSize()).isEqualTo(1);
    assertThat(batch.pairs()).isEqualTo(64);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--dataloader_drop_last True | --dataloader_drop_last: True (expected: false): the short last",
        "--deepspeed ds.json | --deepspeed: every worker holds the whole state",
        "--cache_path x | --cache_path: files are read where they lie",
        "--unknown_flag 3 | Unknown option",
        "--query_max_len | --query_max_len: no value (expected: one for data.query-max-tokens)",
        "--query_max_len many | data.query-max-tokens: \"many\" (expected: a whole number, >= 2), from --query_max_len",
        "--query_max_len 3 --query-max-len 4 | --query_max_len: given twice",
        "--query_max_len 3 --set data.query-max-tokens=3 | data.query-max-tokens: given by --query_max_len",
        "--batch-size 3 --per_device_train_batch_size 2 | batch.size: given by --per_device_train_batch",
        "--per_device_train_batch_size 0 | --per_device_train_batch_size: 0 (expected: a whole number",
        "--normalize_embeddings perhaps | --normalize_embeddings: perhaps (expected: True or False)",
        "--lr_scheduler_type polynomial | --lr_scheduler_type: polynomial (expected: linear, cosine",
        "--knowledge_distillation True --kd_loss_type x | --kd_loss_type: x (expected: kl_div or m3",
        "--fp16 --bf16 | --bf16: sets precision, as --fp16 does",
        "-m FlagEmbedding.finetune.reranker.encoder_only.base | other trainers are not imitated",
      })
  void shouldRefuseWithAReason(String flags, String sentence) {
    assertThat(run(OWN + flags)).isEqualTo(2);
    assertThat(err.toString()).contains(sentence);
    assertThat(received).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"--fp16,fp16", "--bf16,bf16", "--fp16 True,fp16", "--fp16 False,fp32"})
  void shouldSetThePrecision(String flag, String precision) {
    assertThat(run(OWN + flag)).as(err.toString()).isZero();
    assertThat(received.get(0).render()).contains("precision = \"" + precision + "\"");
  }

  @Test
  void shouldNameAllRefusedFlagsAtOnce() {
    assertThat(run(OWN + "--deepspeed d --logging_dir 3 --cache_dir c --fp16 False")).isEqualTo(2);
    assertThat(err.toString().lines()).hasSize(3);
  }

  private int run(String line) {
    Actions actions =
        new Actions(
            settings -> {
              received.add(settings);
              return 0;
            },
            settings -> 0,
            settings -> 0,
            request -> 0,
            (task, settings) -> 0,
            (request, texts, vectors) -> 0,
            (request, pairs, scores) -> 0,
            (request, out) -> 0,
            (folder, out) -> 0,
            (request, out) -> 0,
            (request, out) -> 0);
    return new Dunlin(actions)
        .run(new PrintWriter(err, true), new PrintWriter(err, true), line.split(" "));
  }
}
