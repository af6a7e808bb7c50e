package org.dunlin.conf.settings;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigValueFactory;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.dunlin.conf.evaluate.Metric;
import org.dunlin.conf.evaluate.RetrievalTest;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.SpecialIds;
import org.dunlin.data.retrieval.RetrievalFiles;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.ComputeSpec.Reduction;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.DataSpec.ByLength;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Distillation;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.protocol.run.OptimizerSpec.Schedule;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.TextTemplate;

/**
 * Everything that can be set, checked and resolved as far as it can be without model and data.
 * Unlike a {@link RunSpec}, which it makes, it also holds what does not decide the bits: paths,
 * processes, logging. Immutable.
 *
 * <pre>{@code
 * Settings settings = Settings.load(Optional.of(Path.of("my.conf")), Map.of("batch.size", 128));
 * Files.writeString(settings.runFolder().resolve("run.conf"), settings.render());
 * }</pre>
 */
public final class Settings {
  private static final DateTimeFormatter FOLDER = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

  private final Map<Key<?>, Object> values;

  private Settings(Map<Key<?>, Object> values) {
    this.values = Map.copyOf(values);
  }

  /**
   * Lays flags over a file over the reference; every wrong key or value is in one {@link Refusal}.
   * Model and data may be missing: {@link #modelPath} and {@link #dataFiles} refuse that.
   *
   * @param overrides by key, as {@code batch.size}: text, number, boolean, path, or a list
   */
  public static Settings load(Optional<Path> file, Map<String, ?> overrides) {
    return load(file.map(Layers::parse).orElse(ConfigFactory.empty()), overrides);
  }

  /** The same with values for keys that neither file nor flags set. */
  public static Settings load(
      Optional<Path> file, Map<String, ?> otherwise, Map<String, ?> overrides) {
    Config lower = ConfigFactory.empty();
    for (Map.Entry<String, ?> value : otherwise.entrySet()) {
      lower =
          lower.withValue(
              value.getKey(),
              ConfigValueFactory.fromAnyRef(value.getValue(), "FlagEmbedding's defaults"));
    }
    Config upper = file.map(Layers::parse).orElse(ConfigFactory.empty());
    return load(upper.withFallback(lower), overrides);
  }

  /** What {@link #render} made. */
  public static Settings parse(String rendered) {
    return load(Layers.parse(rendered), Map.of());
  }

  /** The same settings but for some keys. */
  public Settings with(Map<String, ?> overrides) {
    return load(Layers.parse(render()), overrides);
  }

  /** The reference file, as {@code dunlin config} prints it. */
  public static String reference() {
    return Layers.referenceText();
  }

  private static Settings load(Config file, Map<String, ?> overrides) {
    Layers layers = Layers.of(file, overrides);
    Map<Key<?>, Object> values = new HashMap<>();
    Keys.ALL.forEach(key -> layers.read(key).ifPresent(value -> values.put(key, value)));
    layers.refuseWrong();
    values.computeIfPresent(
        Keys.OUTPUT,
        (key, output) ->
            ((Optional<?>) output).isPresent()
                ? output
                : Optional.of(newFolder((String) values.get(Keys.RUN_NAME))));
    Settings settings = new Settings(values);
    layers.check(() -> settings.batch(Integer.MAX_VALUE));
    layers.check(settings::data);
    layers.check(() -> settings.loss(Pooling.CLS));
    layers.check(() -> settings.optimizer(1));
    layers.check(settings::requireHeads);
    layers.check(settings::requireSelfDistillation);
    layers.check(settings::requireEvaluation);
    layers.check(settings::requireTwoFolders);
    layers.refuseWrong();
    return settings;
  }

  private void requireSelfDistillation() {
    long start = get(Keys.SELF_DISTILLATION_START);
    if (start != -1 && !get(Keys.SELF_DISTILLATION)) {
      throw new IllegalArgumentException(
          "loss.self-distillation-start-step: %d (expected: not without self-distillation; set loss.self-distillation = true, or leave this at -1)"
              .formatted(start));
    }
  }

  // In object storage a folder may have a slash at its end, or none.
  private static Path entry(Path folder) {
    return folder.normalize().resolve(CheckpointStore.FOLDER);
  }

  private void requireTwoFolders() {
    checkpointCopy()
        .filter(copy -> entry(copy).equals(entry(checkpointFolder())))
        .ifPresent(
            copy -> {
              throw new IllegalArgumentException(
                  "checkpoint.copy: %s (expected: another folder than the checkpoints', on another disk)"
                      .formatted(copy));
            });
  }

  private void requireEvaluation() {
    if (evaluateEverySteps() == 0) {
      if (evaluationPatience() > 0) {
        throw new IllegalArgumentException(
            "eval.patience: %d (expected: 0 in a run that is not measured); set eval.every-steps, or leave this at 0"
                .formatted(evaluationPatience()));
      }
      return;
    }
    List<Key<Optional<Path>>> files =
        List.of(Keys.EVALUATION_CORPUS, Keys.EVALUATION_QUERIES, Keys.EVALUATION_QRELS);
    boolean retrieval =
        evaluationData().isEmpty() || files.stream().anyMatch(key -> get(key).isPresent());
    for (Key<Optional<Path>> key : files) {
      if (retrieval && get(key).isEmpty()) {
        throw new IllegalArgumentException(
            "%s: missing (expected: a file, or eval.data alone, with eval.every-steps above 0); give --set %s=FILE"
                .formatted(key.name(), key.name()));
      }
    }
    boolean isLoss = evaluationMetric().equals(Metric.LOSS.toString());
    if (isLoss ? evaluationData().isEmpty() : !retrieval) {
      throw new IllegalArgumentException(
          "eval.metric: %s (expected: one of what is measured); give %s"
              .formatted(
                  evaluationMetric(),
                  isLoss ? "--set eval.data=FILE" : "eval.corpus, eval.queries and eval.qrels"));
    }
  }

  private void requireHeads() {
    if (isUnified()) {
      if (!get(Keys.MRL_DIMS).isEmpty()) {
        throw new IllegalArgumentException(
            "loss.mrl-dims: %s (expected: [] with model.unified, or model.unified = false)"
                .formatted(get(Keys.MRL_DIMS)));
      }
      return;
    }
    requireUnified(get(Keys.SELF_DISTILLATION), "loss.self-distillation");
    requireUnified(get(Keys.FIX_ENCODER), "model.fix-encoder");
    requireUnified(get(Keys.COLBERT_DIM).isPresent(), "model.colbert-dim");
  }

  private static void requireUnified(boolean isSet, String key) {
    if (isSet) {
      throw new IllegalArgumentException(
          key + ": set (expected: not without the three heads; set model.unified = true)");
    }
  }

  private static Path newFolder(String name) {
    return Path.of("runs", name + "-" + LocalDateTime.now(ZoneId.systemDefault()).format(FOLDER))
        .toAbsolutePath();
  }

  public String name() {
    return get(Keys.RUN_NAME);
  }

  public long seed() {
    return get(Keys.SEED);
  }

  /** Absolute; refused if there is none. */
  public Path modelPath() {
    return get(Keys.MODEL)
        .orElseThrow(
            () ->
                Refusal.usage(
                    "model.path: missing (expected: a Hugging Face model folder); give "
                        + Flags.MODEL
                        + " FOLDER"));
  }

  /** Absolute, at least one; refused if there is none. */
  public List<Path> dataFiles() {
    List<Path> files = get(Keys.DATA);
    if (files.isEmpty()) {
      throw Refusal.usage(
          "data.files: none (expected: at least one JSON lines file); give "
              + Flags.DATA
              + " FILE");
    }
    return files;
  }

  /** Absolute; need not exist yet. */
  public Path runFolder() {
    return get(Keys.OUTPUT).orElseThrow();
  }

  /** Whether what lies in the run folder may be replaced. */
  public boolean overwrite() {
    return get(Keys.OVERWRITE);
  }

  /** Whether the run folder's run goes on, and from which step; empty: it begins. */
  public Optional<OptionalLong> resume() {
    return get(Keys.RESUME).map(step -> step.map(OptionalLong::of).orElse(OptionalLong.empty()));
  }

  /** A checkpoint at every so many steps; 0: not by steps. */
  public long checkpointEverySteps() {
    return get(Keys.CHECKPOINT_STEPS);
  }

  /** A checkpoint at every so many minutes; 0: not by time. */
  public long checkpointEveryMinutes() {
    return get(Keys.CHECKPOINT_MINUTES);
  }

  public boolean checkpointAtEpochEnd() {
    return get(Keys.CHECKPOINT_EPOCHS);
  }

  /** How many of the newest checkpoints stay; at least 1. */
  public int checkpointKeepLast() {
    return int32(Keys.KEEP_LAST);
  }

  /** Checkpoints at multiples of so many steps stay too; 0: none do. */
  public long checkpointKeepEverySteps() {
    return get(Keys.KEEP_EVERY);
  }

  /** An evaluation at every so many steps, and after the last one; 0: none. */
  public long evaluateEverySteps() {
    return get(Keys.EVALUATION_STEPS);
  }

  /** Evaluations in a row without a better figure that end the run; 0: none do. */
  public long evaluationPatience() {
    return get(Keys.EVALUATION_PATIENCE);
  }

  /** The figure that decides, as it is typed. */
  public String evaluationMetric() {
    String metric = get(Keys.EVALUATION_METRIC);
    if (!metric.equals("auto")) {
      return metric;
    }
    boolean onlyPairs = get(Keys.EVALUATION_CORPUS).isEmpty() && !evaluationData().isEmpty();
    return (onlyPairs ? Metric.LOSS : Metric.NDCG_10).toString();
  }

  /** Held-out pairs whose loss is measured; empty if it is not. */
  public List<Path> evaluationData() {
    return get(Keys.EVALUATION_DATA);
  }

  /** The retrieval test of a run that is measured by one. */
  public Optional<RetrievalFiles> evaluationFiles() {
    return get(Keys.EVALUATION_CORPUS)
        .map(
            corpus ->
                new RetrievalFiles(
                    corpus,
                    get(Keys.EVALUATION_QUERIES).orElseThrow(),
                    get(Keys.EVALUATION_QRELS).orElseThrow()));
  }

  /** What its texts become: the same as in training. */
  public RetrievalTest.Form evaluationForm() {
    return new RetrievalTest.Form(
        data().texts(), int32(Keys.QUERY_TOKENS), int32(Keys.PASSAGE_TOKENS));
  }

  /**
   * Where checkpoints lie on this machine, and on the workers' where {@link #checkpointByMembers}.
   */
  public Path checkpointFolder() {
    return get(Keys.CHECKPOINT_FOLDER).orElse(runFolder().resolve(CheckpointStore.FOLDER));
  }

  /** Whether workers write their shares of checkpoints themselves; else they send them. */
  public boolean checkpointByMembers() {
    return get(Keys.CHECKPOINT_WRITER).equals("all");
  }

  /** Where each checkpoint is copied, if anywhere; another folder than the first. */
  public Optional<Path> checkpointCopy() {
    return get(Keys.CHECKPOINT_COPY);
  }

  /** Whether checkpoints do not lie on a disk that one machine may take with it. */
  public boolean checkpointsInObjectStorage() {
    return !checkpointFolder().getFileSystem().equals(FileSystems.getDefault());
  }

  /** Whether a worker on another machine is asked to keep a copy, because there is no other. */
  public boolean checkpointCopyToWorkers() {
    return !checkpointByMembers()
        && checkpointCopy().isEmpty()
        && !checkpointsInObjectStorage()
        && get(Keys.CHECKPOINT_COPY_TO_WORKERS);
  }

  /**
   * Keys that decide the bits of a run and have other values here than there, but for those that a
   * person allowed. Where model and data lie decides nothing; what is in them is compared by their
   * SHA-256.
   */
  public List<String> changedSince(Settings before) {
    return Keys.ALL.stream()
        .filter(Keys::decidesBits)
        .filter(key -> !get(key).equals(before.get(key)))
        .map(Key::name)
        .toList();
  }

  /** Keys whose change a person allowed. */
  public List<String> allowedChanges() {
    return get(Keys.ALLOW_CHANGE);
  }

  /** Worker processes; 0: everything in this process. */
  public int workers() {
    return int32(Keys.WORKERS);
  }

  /** Compute threads of each worker on this machine. */
  public int computeThreads() {
    int cores = Runtime.getRuntime().availableProcessors();
    return get(Keys.COMPUTE_THREADS)
        .map(Math::toIntExact)
        .orElse(Math.max(1, cores / Math.max(1, workers())));
  }

  /**
   * Where a coordinator listens whose workers are elsewhere; empty: as the machine's routes say.
   */
  public Optional<String> clusterHost() {
    String host = get(Keys.CLUSTER_HOST);
    return host.equals("auto") ? Optional.empty() : Optional.of(host);
  }

  /** The port of such a coordinator; 0: any free one. */
  public int clusterPort() {
    return int32(Keys.CLUSTER_PORT);
  }

  /** Whether the run's processes write down what their threads do when. */
  public boolean traces() {
    return get(Keys.TRACE);
  }

  /** Whether a second coordinator's process waits for the death of the first one. */
  public boolean standby() {
    return get(Keys.STANDBY);
  }

  /** Whether workers may take part whose kernels give other bits. */
  public boolean allowDifferentKernels() {
    return get(Keys.DIFFERENT_KERNELS);
  }

  /** How long a worker may be silent before it counts as dead. */
  public int leaseMs() {
    return int32(Keys.LEASE_MS);
  }

  /** Whether micro-batches that fit are found before the run. */
  public boolean probes() {
    return get(Keys.PROBE);
  }

  /** The same settings after probing: with these limits, and without probing again. */
  public Settings probed(List<MicroBatchLimit> limits) {
    return with(
        Map.of(
            Keys.MICRO_BATCH_LIMITS.name(),
            Keys.MICRO_BATCH_LIMITS.plain().apply(limits),
            Keys.PROBE.name(),
            false));
  }

  public int workerHeapMib() {
    return int32(Keys.WORKER_HEAP);
  }

  public int coordinatorHeapMib() {
    return int32(Keys.COORDINATOR_HEAP);
  }

  /** One in so many steps is computed twice; 0: none is. */
  public long auditEverySteps() {
    return get(Keys.AUDIT_STEPS);
  }

  public long feedWindowTokens() {
    return get(Keys.WINDOW_TOKENS);
  }

  public int logEverySteps() {
    return int32(Keys.LOG_STEPS);
  }

  public double epochs() {
    return get(Keys.EPOCHS);
  }

  /** Steps in a row without a finite loss and gradient that end the run; 0: none do. */
  public long maxNonFiniteSteps() {
    return get(Keys.MAX_NON_FINITE_STEPS);
  }

  /** Steps of the run; 0: as many as the epochs give. */
  public long steps() {
    return get(Keys.STEPS);
  }

  /**
   * How samples become batches. A limit of tokens that nobody set is cut to what the encoder can
   * hold; one that somebody did is refused.
   */
  public BatchSpec batch(EncoderSpec encoder) {
    requireFits(Keys.QUERY_TOKENS, encoder);
    requireFits(Keys.PASSAGE_TOKENS, encoder);
    return batch(encoder.maxTokens());
  }

  private void requireFits(Key<Long> key, EncoderSpec encoder) {
    boolean isDefault = Layers.reference().getLong(key.name()) == get(key);
    if (get(key) > encoder.maxTokens() && !isDefault) {
      throw Refusal.usage(
          "%s: %d (expected: at most %d, what the model's position table holds)"
              .formatted(key.name(), get(key), encoder.maxTokens()));
    }
  }

  private void requireWidths(EncoderSpec encoder) {
    for (long width : get(Keys.MRL_DIMS)) {
      if (width > encoder.hidden()) {
        throw Refusal.usage(
            "loss.mrl-dims: %d (expected: at most %d, the width of the model's embeddings)"
                .formatted(width, encoder.hidden()));
      }
    }
  }

  /** How files become batches and rows become texts. */
  public DataSpec data() {
    return new DataSpec(
        get(Keys.SAME_DATASET),
        int32(Keys.SMALL_THRESHOLD),
        int32(Keys.DROP_THRESHOLD),
        int32(Keys.MAX_ROWS),
        get(Keys.SHUFFLE_RATIO),
        new DataSpec.Texts(
            get(Keys.QUERY_INSTRUCTION),
            template(Keys.QUERY_TEMPLATE),
            get(Keys.PASSAGE_INSTRUCTION),
            template(Keys.PASSAGE_TEMPLATE)),
        !get(Keys.DISTILLATION).equals("none"),
        int32(Keys.DEVICES),
        ByLength.valueOf(constant(get(Keys.BY_LENGTH))),
        isCompatible());
  }

  private TextTemplate template(Key<String> key) {
    try {
      return new TextTemplate(get(key));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(e.getMessage().replaceFirst("template", key.name()), e);
    }
  }

  private boolean isCompatible() {
    return get(Keys.COMPAT).equals("flagembedding");
  }

  /**
   * The run that these settings describe.
   *
   * @param totalSteps at least 1; the schedule ends there
   * @param dataSha256 of the training data
   */
  public RunSpec runSpec(ModelFolder model, long totalSteps, String dataSha256) {
    EncoderSpec read = model.encoder();
    requireWidths(read);
    EncoderSpec encoder =
        read.withDropout(
            get(Keys.HIDDEN_DROPOUT).orElse(read.hiddenDropout()),
            get(Keys.ATTENTION_DROPOUT).orElse(read.attentionDropout()));
    Pooling pooling =
        switch (get(Keys.POOLING)) {
          case "auto" -> model.pooling().orElse(Pooling.CLS);
          case String word -> Pooling.valueOf(constant(word));
        };
    return new RunSpec(
        name(),
        seed(),
        totalSteps,
        encoder,
        heads(model),
        model.weightsSha256(),
        dataSha256,
        data(),
        batch(encoder),
        loss(pooling),
        optimizer(totalSteps),
        new ComputeSpec(
            Precision.valueOf(constant(get(Keys.PRECISION))),
            get(Keys.CHECKPOINTING),
            Reduction.valueOf(constant(get(Keys.REDUCTION)))));
  }

  /** Whether the sparse and the multi-vector head are trained too. */
  public boolean isUnified() {
    return get(Keys.UNIFIED);
  }

  /** The width that the multi-vector head must have, if that was said. */
  public OptionalInt colbertDim() {
    return get(Keys.COLBERT_DIM)
        .map(width -> OptionalInt.of(Math.toIntExact(width)))
        .orElse(OptionalInt.empty());
  }

  private HeadSpec heads(ModelFolder model) {
    if (!isUnified()) {
      return HeadSpec.DENSE;
    }
    SpecialIds ids = model.specialIds();
    return HeadSpec.unified(
        model.colbertDim().orElseThrow(), List.of(ids.cls(), ids.eos(), ids.pad(), ids.unk()));
  }

  /** A model with the heads that a run trains; closes it where it cannot have them. */
  public ModelFolder withHeads(ModelFolder model) {
    try {
      return isUnified() ? model.withHeads(colbertDim(), seed()) : model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /** All keys with their values; {@link #load} makes equal settings of it, on any machine. */
  public String render() {
    StringBuilder hocon = new StringBuilder();
    Keys.ALL.forEach(key -> hocon.append(line(key)));
    return hocon.toString();
  }

  private <T> String line(Key<T> key) {
    String value =
        ConfigValueFactory.fromAnyRef(key.plain().apply(get(key)))
            .render(ConfigRenderOptions.concise());
    return key.name() + " = " + value + "\n";
  }

  private BatchSpec batch(int mostTokens) {
    int pairs = int32(Keys.BATCH_SIZE);
    return new BatchSpec(
        pairs,
        get(Keys.BATCH_TOKENS),
        int32(Keys.GROUP_SIZE),
        get(Keys.SLOTS).map(Math::toIntExact).orElse(BatchSpec.defaultSlots(pairs)),
        int32(Keys.MICRO_BATCH_TOKENS),
        int32(Keys.SORT_WINDOW),
        Math.min(int32(Keys.QUERY_TOKENS), mostTokens),
        Math.min(int32(Keys.PASSAGE_TOKENS), mostTokens),
        int32(Keys.PAD_MULTIPLE),
        int32(Keys.ACCUMULATION),
        int32(Keys.MICRO_BATCH_ROWS),
        get(Keys.MICRO_BATCH_LIMITS));
  }

  private LossSpec loss(Pooling pooling) {
    return new LossSpec(
        pooling,
        get(Keys.NORMALIZE),
        get(Keys.TEMPERATURE),
        get(Keys.MASK_DUPLICATES) && !isCompatible(),
        switch (get(Keys.DISTILLATION)) {
          case "kl" -> Distillation.KL_DIV;
          case "m3" -> Distillation.M3_KD_LOSS;
          default -> Distillation.NONE;
        },
        get(Keys.SELF_DISTILLATION) ? get(Keys.SELF_DISTILLATION_START) : LossSpec.NEVER,
        get(Keys.MRL_DIMS).stream().map(Math::toIntExact).toList(),
        isCompatible());
  }

  private OptimizerSpec optimizer(long totalSteps) {
    long fixed = get(Keys.WARMUP_STEPS);
    return new OptimizerSpec(
        get(Keys.LEARNING_RATE),
        Schedule.valueOf(constant(get(Keys.SCHEDULE))),
        fixed > 0 ? fixed : (long) Math.ceil(totalSteps * get(Keys.WARMUP_RATIO)),
        get(Keys.WEIGHT_DECAY),
        get(Keys.BETA1),
        get(Keys.BETA2),
        get(Keys.EPSILON),
        get(Keys.MAX_GRADIENT_NORM),
        frozen());
  }

  private Frozen frozen() {
    if (get(Keys.FIX_ENCODER)) {
      return Frozen.ENCODER;
    }
    return get(Keys.FIX_POSITIONS) ? Frozen.POSITIONS : Frozen.NOTHING;
  }

  private static String constant(String word) {
    return word.replace('-', '_').toUpperCase(Locale.ROOT);
  }

  private int int32(Key<Long> key) {
    return Math.toIntExact(get(key));
  }

  @SuppressWarnings("unchecked") // a key's value is put in by what that key's reader gave
  private <T> T get(Key<T> key) {
    return (T) values.get(key);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Settings that && values.equals(that.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }

  @Override
  public String toString() {
    return render();
  }
}
