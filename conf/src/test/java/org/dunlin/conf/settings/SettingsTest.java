package org.dunlin.conf.settings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Defaults, layers, the way back through run.conf, and every sentence about what is wrong. */
class SettingsTest {
  private static final Path HERE = Path.of("").toAbsolutePath();
  private static final EncoderSpec SHORT =
      new EncoderSpec(Family.BERT, 100, 128, 2, 8, 1, 2, 16, 1e-12, 0, 0.1, 0.1);

  @TempDir Path folder;

  @Test
  void shouldLoadTheDefaults() {
    Settings settings = Settings.load(Optional.empty(), Map.of());

    assertThat(settings.name()).isEqualTo("train");
    assertThat(settings.seed()).isEqualTo(42);
    assertThat(settings.workers()).isZero();
    assertThat(settings.computeThreads()).isEqualTo(Runtime.getRuntime().availableProcessors());
    assertThat(settings.runFolder().getParent()).isEqualTo(HERE.resolve("runs"));
    assertThat(settings.runFolder().getFileName().toString()).matches("train-\\d{8}-\\d{6}");
    assertThat(settings.batch(SHORT)).isEqualTo(new BatchSpec(64, 0, 1, 8, 4096, 50, 64, 128, 1));
  }

  @Test
  void shouldLetFlagsWinOverTheFileAndTheFileOverTheReference() throws IOException {
    Path file = file("batch { size = 512, tokens = 9000 }\nworkers = 3");

    Settings settings = Settings.load(Optional.of(file), Map.of("workers", 2));

    assertThat(settings.workers()).isEqualTo(2);
    assertThat(settings.batch(SHORT).pairs()).isEqualTo(512);
    assertThat(settings.batch(SHORT).tokens()).isEqualTo(9000);
    assertThat(settings.batch(SHORT).slots()).isEqualTo(32);
    assertThat(settings.batch(SHORT).sortWindowBatches()).isEqualTo(50);
  }

  @Test
  void shouldSayHowFilesBecomeBatchesAndRowsTexts() {
    assertThat(Settings.load(Optional.empty(), Map.of()).data()).isEqualTo(DataSpec.PLAIN);
    DataSpec data =
        Settings.load(
                Optional.empty(),
                Map.of(
                    "data.same-dataset",
                    true,
                    "data.small-threshold",
                    200,
                    "data.drop-threshold",
                    100,
                    "data.query-instruction",
                    "Find: ",
                    "data.query-template",
                    "{}\\n{}",
                    "batch.by-length",
                    "bge-m3-80gb",
                    "batch.devices",
                    24,
                    "data.shuffle-ratio",
                    0.002))
            .data();
    assertThat(data.texts().queryTemplate().apply("a", "b")).isEqualTo("a\nb");
    assertThat(data.byLength()).isEqualTo(DataSpec.ByLength.BGE_M3_80GB);
    assertThat(data.smallThreshold()).isEqualTo(200);
    assertThat(data.devices()).isEqualTo(24);
  }

  @Test
  void shouldRefuseTemplatesAndKeysOfSameDatasetWithoutIt() {
    assertThatThrownBy(
            () -> Settings.load(Optional.empty(), Map.of("data.passage-template", "{} {} {}")))
        .hasMessageContaining("data.passage-template: '{} {} {}' (expected: two {}")
        .hasMessageContaining("--set data.passage-template");
    assertThatThrownBy(() -> Settings.load(Optional.empty(), Map.of("data.small-threshold", 3)))
        .hasMessageContaining("data.small-threshold: 3")
        .hasMessageContaining("expected: 0 without data.same-dataset");
    assertThatThrownBy(
            () -> Settings.load(Optional.empty(), Map.of("batch.by-length", "bge-m3-80gb")))
        .hasMessageContaining("batch.by-length: set (expected: none without data.same-dataset");
  }

  @Test
  void shouldRefuseAnEvaluationWithoutWhatItNeeds() {
    assertThatThrownBy(() -> Settings.load(Optional.empty(), Map.of("eval.every-steps", 10)))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(
            "eval.corpus: missing (expected: a file, or eval.data alone, with eval.every-steps");
    assertThatThrownBy(() -> Settings.load(Optional.empty(), Map.of("eval.patience", 3)))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("eval.patience: 3 (expected: 0 in a run that is not measured)");
    assertThatThrownBy(() -> Settings.load(Optional.empty(), Map.of("eval.metric", "bleu")))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("eval.metric")
        .hasMessageContaining("ndcg@10, graded-ndcg@10");
    assertThatThrownBy(
            () ->
                Settings.load(
                    Optional.empty(),
                    Map.of(
                        "eval.every-steps", 10, "eval.data", "dev.jsonl", "eval.metric", "mrr@10")))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(
            "eval.metric: mrr@10 (expected: one of what is measured); give eval.");
  }

  @Test
  void shouldMeasureHeldOutPairsByTheirLoss() {
    Map<String, Object> keys = new HashMap<>(Map.of("eval.every-steps", 10, "eval.data", "dev"));
    assertThat(Settings.load(Optional.empty(), keys).evaluationMetric()).isEqualTo("loss");
    assertThat(Settings.load(Optional.empty(), keys).evaluationFiles()).isEmpty();
    keys.putAll(Map.of("eval.corpus", "c", "eval.queries", "q", "eval.qrels", "r"));
    assertThat(Settings.load(Optional.empty(), keys).evaluationMetric()).isEqualTo("ndcg@10");
    keys.put("eval.metric", "loss");
    assertThat(Settings.load(Optional.empty(), keys).evaluationMetric()).isEqualTo("loss");
    keys.remove("eval.data");
    assertThatThrownBy(() -> Settings.load(Optional.empty(), keys))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("eval.metric: loss (expected: one of what is measured); give --set");
  }

  /** The JDK's own modules stand for a bucket: a file system that is no disk, found by its URI. */
  @Test
  void shouldTakeAUriWhereAFileSystemOnTheClassPathHasItsScheme() {
    Settings settings =
        Settings.load(
            Optional.empty(),
            Map.of(
                "checkpoint.folder",
                "jrt:///java.base/kept",
                "checkpoint.copy",
                folder.toUri().toString().replace("file:/", "file:///")));
    assertThat(settings.checkpointFolder().getFileSystem().provider().getScheme()).isEqualTo("jrt");
    assertThat(settings.checkpointCopy()).hasValue(folder);
    assertThat(
            Settings.load(Optional.empty(), Map.of("checkpoint.copy", "s3:run")).checkpointCopy())
        .hasValue(Path.of("s3:run").toAbsolutePath());
    assertThatThrownBy(
            () -> Settings.load(Optional.empty(), Map.of("checkpoint.copy", "nowhere://a/b")))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("checkpoint.copy")
        .hasMessageContaining("nowhere://a/b")
        .hasMessageContaining("a URI of a file system on the class path");
  }

  @Test
  void shouldKeepCopiesOfCheckpointsElsewhere() {
    Settings plain = Settings.load(Optional.empty(), Map.of());
    assertThat(plain.checkpointByMembers()).isTrue();
    assertThat(plain.checkpointCopy()).isEmpty();
    Settings other =
        Settings.load(
            Optional.empty(), Map.of("checkpoint.writer", "one", "checkpoint.copy", folder));
    assertThat(other.checkpointByMembers()).isFalse();
    assertThat(other.checkpointCopy()).hasValue(folder);
    assertThat(other.changedSince(plain)).isEmpty();
    for (Map<String, ?> same :
        List.of(
            Map.of("checkpoint.folder", folder, "checkpoint.copy", folder.resolve("a/..")),
            Map.of("run.output", folder, "checkpoint.copy", folder.resolve("checkpoints")))) {
      assertThatThrownBy(() -> Settings.load(Optional.empty(), same))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("checkpoint.copy: " + folder)
          .hasMessageContaining("(expected: another folder than the checkpoints'");
    }
    assertThatThrownBy(() -> Settings.load(Optional.empty(), Map.of("checkpoint.writer", "two")))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("checkpoint.writer")
        .hasMessageContaining("all or one");
  }

  @Test
  void shouldRefuseAStartOfSelfDistillationWithoutIt() {
    Map<String, Object> start = Map.of("loss.self-distillation-start-step", 5);
    assertThatThrownBy(() -> Settings.load(Optional.empty(), start))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(
            "loss.self-distillation-start-step: 5 (expected: not without self-distillation; set loss.self-distillation = true");
    Map<String, Object> both = new HashMap<>(start);
    both.put("model.unified", true);
    both.put("loss.self-distillation", true);
    Settings.load(Optional.empty(), both);
  }

  @Test
  void shouldRefuseWhatOnlyTheThreeHeadsHave() {
    for (String wrong :
        List.of(
            "loss.self-distillation = true", "model.fix-encoder = true", "model.colbert-dim = 8")) {
      String key = wrong.substring(0, wrong.indexOf(' '));
      Map<String, Object> alone = Map.of(key, wrong.substring(wrong.indexOf('=') + 2));
      assertThatThrownBy(() -> Settings.load(Optional.empty(), alone))
          .isInstanceOf(Refusal.class)
          .message()
          .hasLineCount(1)
          .startsWith(
              key + ": set (expected: not without the three heads; set model.unified = true)");
      Map<String, Object> unified = new HashMap<>(alone);
      unified.put("model.unified", true);
      assertThat(Settings.load(Optional.empty(), unified).isUnified()).isTrue();
    }
  }

  @Test
  void shouldRefuseLeadingPartsOfTheEmbeddingWithTheThreeHeads() {
    assertThatThrownBy(
            () ->
                Settings.load(
                    Optional.empty(),
                    Map.of("model.unified", true, "loss.mrl-dims", List.of(4, 8))))
        .isInstanceOf(Refusal.class)
        .message()
        .hasLineCount(1)
        .startsWith("loss.mrl-dims: [4, 8] (expected: [] with model.unified, or model.unified =");
  }

  @Test
  void shouldCutStepsAndMicroBatchesAsTold() {
    BatchSpec batch =
        Settings.load(Optional.empty(), Map.of("train.accumulation", 4, "micro-batch.rows", 3))
            .batch(SHORT);

    assertThat(batch.pools()).isEqualTo(4);
    assertThat(batch.microBatchRows()).isEqualTo(3);
    assertThat(batch.pairs()).isEqualTo(64);
  }

  @Test
  void shouldTakeALimitOfStepsThatAreNotFinite() {
    assertThat(Settings.load(Optional.empty(), Map.of()).maxNonFiniteSteps()).isEqualTo(5);
    assertThatThrownBy(
            () -> Settings.load(Optional.empty(), Map.of("train.max-non-finite-steps", -1)))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("train.max-non-finite-steps: -1 (expected: a whole number, >= 0");
  }

  @Test
  void shouldTakePathsFromTheWorkingDirectory() {
    Settings settings =
        Settings.load(
            Optional.empty(),
            Map.of("model.path", "m", "data.files", List.of(Path.of("a"), "b/../c")));

    assertThat(settings.modelPath()).isEqualTo(HERE.resolve("m"));
    assertThat(settings.dataFiles()).containsExactly(HERE.resolve("a"), HERE.resolve("c"));
  }

  @Test
  void shouldComeBackEqualFromWhatItRenders() throws IOException {
    Settings settings =
        Settings.load(
            Optional.empty(),
            Map.of(
                "model.path",
                "a \"quoted\" $folder # with\\oddities",
                "data.files",
                List.of("é.jsonl", "two words.jsonl"),
                "optimizer.learning-rate",
                1.0 / 3,
                "run.seed",
                Long.MIN_VALUE,
                "model.hidden-dropout",
                0,
                "slots",
                16));

    Settings again = Settings.load(Optional.of(file(settings.render())), Map.of());

    assertThat(again).isEqualTo(settings).hasToString(settings.render());
    assertThat(again.with(Map.of("workers", 1))).isNotEqualTo(settings);
    assertThat(again.with(Map.of("workers", 1)).with(Map.of("workers", 0))).isEqualTo(settings);
  }

  @Test
  void shouldShareTheCoresAmongWorkersUnlessTold() {
    int cores = Runtime.getRuntime().availableProcessors();

    assertThat(Settings.load(Optional.empty(), Map.of("workers", 200)).computeThreads())
        .isEqualTo(Math.max(1, cores / 200));
    assertThat(
            Settings.load(Optional.empty(), Map.of("workers", 200, "compute-threads", 7))
                .computeThreads())
        .isEqualTo(7);
  }

  @Test
  void shouldSayWhichKeyMayHaveBeenMeant() throws IOException {
    Path file = file("batch {\n  sise = 3\n}\nepochs = 2\nxyzzy = 1");

    assertThatThrownBy(() -> Settings.load(Optional.of(file), Map.of()))
        .isInstanceOf(Refusal.class)
        .message()
        .hasLineCount(3)
        .contains("batch.sise: no such key (did you mean batch.size?), from " + file + ":2")
        .contains("epochs: no such key (did you mean train.epochs?), from " + file + ":4")
        .contains("xyzzy: no such key (`dunlin config` prints all), from " + file + ":5");
  }

  @Test
  void shouldSayWhatIsWrongWithAValueAndWhereItCameFrom() throws IOException {
    refused(
        "batch.size = many", "batch.size: \"many\" (expected: a whole number, >= 1), from FILE:1");
    refused("batch.size = 0", "batch.size: 0 (expected: a whole number, >= 1), from FILE:1");
    refused("batch.size = 1.5", "batch.size: 1.5 (expected: a whole number, >= 1), from FILE:1");
    refused("batch.size = null", "batch.size: null (expected: a whole number, >= 1), from FILE:1");
    refused("batch.size { }", "batch.size: {} (expected: a whole number, >= 1), from FILE:1");
    refused("\nslots = 3", "slots: 3 (expected: a power of two), from FILE:2");
    refused(
        "slots = some", "slots: \"some\" (expected: auto or a whole number, >= 1), from FILE:1");
    refused("workers = 999", "workers: 999 (expected: a whole number, 0 to 256), from FILE:1");
    refused("loss.temperature = 0", "loss.temperature: 0.0 (expected: > 0), from FILE:1");
    refused("optimizer.beta1 = 1", "optimizer.beta1: 1.0 (expected: 0.0 to 0.999999), from FILE:1");
    refused("train.epochs = -1", "train.epochs: -1 (expected: a number > 0), from FILE:1");
    refused(
        "run.overwrite = maybe", "run.overwrite: \"maybe\" (expected: true or false), from FILE:1");
    refused(
        "model.pooling = max",
        "model.pooling: \"max\" (expected: auto, cls, mean or last-token), from FILE:1");
    refused("data.files = [[1]]", "data.files: [[1]] (expected: a list of paths), from FILE:1");
    refused(
        "run.name = \"../x\"",
        "run.name: \"../x\" (expected: letters, digits, '.', '_' and '-', at most 100), from FILE:1");
  }

  @Test
  void shouldNameTheFlagThatAWrongValueCameFrom() {
    assertThatThrownBy(() -> Settings.load(Optional.empty(), Map.of("batch.size", "x")))
        .hasMessage("batch.size: \"x\" (expected: a whole number, >= 1), from --batch-size");
    assertThatThrownBy(() -> Settings.load(Optional.empty(), Map.of("optimizer.beta2", 2)))
        .hasMessage(
            "optimizer.beta2: 2.0 (expected: 0.0 to 0.999999999), from --set optimizer.beta2");
  }

  @Test
  void shouldRefuseAFileThatCannotBeRead() throws IOException {
    Path missing = folder.resolve("missing.conf");
    Path broken = file("batch { size = \n\n [");

    assertThatThrownBy(() -> Settings.load(Optional.of(missing), Map.of()))
        .hasMessage(missing + ": no such file (expected: a configuration file)");
    assertThatThrownBy(() -> Settings.load(Optional.of(broken), Map.of()))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining(broken.toString());
    assertThatThrownBy(() -> Settings.load(Optional.of(file("slots = ${no-such}")), Map.of()))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("no-such");
  }

  @Test
  void shouldSayWhichFlagsGiveModelAndData() {
    Settings settings = Settings.load(Optional.empty(), Map.of());

    assertThatThrownBy(settings::modelPath)
        .hasMessage(
            "model.path: missing (expected: a Hugging Face model folder); give --model FOLDER");
    assertThatThrownBy(settings::dataFiles)
        .hasMessage("data.files: none (expected: at least one JSON lines file); give --data FILE");
  }

  private void refused(String hocon, String sentence) throws IOException {
    Path file = file(hocon);
    Refusal refusal =
        catchThrowableOfType(Refusal.class, () -> Settings.load(Optional.of(file), Map.of()));
    assertThat(refusal).as(hocon).isNotNull();
    assertThat(refusal).hasMessage(sentence.replace("FILE", file.toString()));
    assertThat(refusal.kind()).isEqualTo(Refusal.Kind.USAGE);
  }

  private Path file(String hocon) throws IOException {
    return Files.writeString(folder.resolve("my.conf"), hocon);
  }
}
