package org.dunlin.conf.settings;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.dunlin.conf.evaluate.Metric;
import org.dunlin.protocol.run.MicroBatchLimit;

/**
 * All keys, in the order of the reference file. Ranges that {@code org.dunlin.protocol.run} checks
 * itself are not repeated here.
 */
final class Keys {
  private static final List<Key<?>> DECLARED = new ArrayList<>();
  private static final int INT = Integer.MAX_VALUE;
  private static final long LONG = Long.MAX_VALUE;

  /** More processes than this on one machine are a slip of the finger. */
  private static final int MOST_WORKERS = 256;

  private static final int MOST_THREADS = 1024;
  private static final int MOST_PORT = 65_535;

  private static final String[] METRICS =
      Stream.concat(Stream.of("auto"), Stream.of(Metric.words())).toArray(String[]::new);

  private static final int MOST_MINUTES = 100_000;

  /** Less than this a collector's pause takes. */
  private static final int LEAST_LEASE_MS = 100;

  /** A JVM with less does not start its cluster. */
  private static final int LEAST_HEAP_MIB = 64;

  static final Key<String> RUN_NAME = declare(Key.fileName("run.name"));
  static final Key<Long> SEED = declare(Key.whole("run.seed", Long.MIN_VALUE, LONG));
  static final Key<Optional<Path>> OUTPUT = declare(Key.path("run.output"));
  static final Key<Boolean> OVERWRITE = declare(Key.flag("run.overwrite"));
  static final Key<Optional<Optional<Long>>> RESUME =
      declare(Key.whole("run.resume", 0, LONG).or("newest").or("no"));
  static final Key<List<String>> ALLOW_CHANGE = declare(Key.texts("run.allow-change"));

  static final Key<Optional<Path>> MODEL = declare(Key.path("model.path"));
  static final Key<String> POOLING =
      declare(Key.oneOf("model.pooling", "auto", "cls", "mean", "last-token"));
  static final Key<Boolean> NORMALIZE = declare(Key.flag("model.normalize"));
  static final Key<Optional<Double>> HIDDEN_DROPOUT =
      declare(Key.number("model.hidden-dropout", 0, 0.99).or("model"));
  static final Key<Optional<Double>> ATTENTION_DROPOUT =
      declare(Key.number("model.attention-dropout", 0, 0.99).or("model"));
  static final Key<Boolean> UNIFIED = declare(Key.flag("model.unified"));
  static final Key<Optional<Long>> COLBERT_DIM =
      declare(Key.whole("model.colbert-dim", 1, INT).or("auto"));
  static final Key<Boolean> FIX_ENCODER = declare(Key.flag("model.fix-encoder"));
  static final Key<Boolean> FIX_POSITIONS = declare(Key.flag("model.fix-position-embedding"));

  static final Key<List<Path>> DATA = declare(Key.paths("data.files"));
  static final Key<Long> QUERY_TOKENS = declare(Key.whole("data.query-max-tokens", 2, INT));
  static final Key<Long> PASSAGE_TOKENS = declare(Key.whole("data.passage-max-tokens", 2, INT));
  static final Key<Long> GROUP_SIZE = declare(Key.whole("data.group-size", 1, INT));
  static final Key<Boolean> SAME_DATASET = declare(Key.flag("data.same-dataset"));
  static final Key<Long> SMALL_THRESHOLD = declare(Key.whole("data.small-threshold", 0, INT));
  static final Key<Long> DROP_THRESHOLD = declare(Key.whole("data.drop-threshold", 0, INT));
  static final Key<Long> MAX_ROWS = declare(Key.whole("data.max-rows-per-file", 1, INT));
  static final Key<Double> SHUFFLE_RATIO = declare(Key.number("data.shuffle-ratio", 0, 1));
  static final Key<String> QUERY_INSTRUCTION = declare(Key.text("data.query-instruction"));
  static final Key<String> QUERY_TEMPLATE = declare(Key.text("data.query-template"));
  static final Key<String> PASSAGE_INSTRUCTION = declare(Key.text("data.passage-instruction"));
  static final Key<String> PASSAGE_TEMPLATE = declare(Key.text("data.passage-template"));

  static final Key<Double> EPOCHS = declare(Key.positive("train.epochs"));
  static final Key<Long> STEPS = declare(Key.whole("train.steps", 0, LONG));
  static final Key<Long> ACCUMULATION = declare(Key.whole("train.accumulation", 1, INT));
  static final Key<Long> MAX_NON_FINITE_STEPS =
      declare(Key.whole("train.max-non-finite-steps", 0, LONG));

  static final Key<Long> BATCH_SIZE = declare(Key.whole("batch.size", 1, INT));
  static final Key<Long> BATCH_TOKENS = declare(Key.whole("batch.tokens", 0, LONG));
  static final Key<Long> SORT_WINDOW = declare(Key.whole("batch.sort-window", 1, INT));
  static final Key<Long> PAD_MULTIPLE = declare(Key.whole("batch.pad-multiple", 1, INT));
  static final Key<String> BY_LENGTH = declare(Key.oneOf("batch.by-length", "none", "bge-m3-80gb"));
  static final Key<Long> DEVICES = declare(Key.whole("batch.devices", 1, INT));
  static final Key<Optional<Long>> SLOTS = declare(Key.whole("slots", 1, INT).or("auto"));
  static final Key<Long> MICRO_BATCH_TOKENS = declare(Key.whole("micro-batch.tokens", 1, INT));
  static final Key<Long> MICRO_BATCH_ROWS = declare(Key.whole("micro-batch.rows", 0, INT));
  static final Key<List<MicroBatchLimit>> MICRO_BATCH_LIMITS =
      declare(Key.limits("micro-batch.by-length"));
  static final Key<Boolean> PROBE = declare(Key.flag("micro-batch.probe"));
  static final Key<Boolean> CHECKPOINTING = declare(Key.flag("gradient-checkpointing"));
  static final Key<String> REDUCTION = declare(Key.oneOf("reduction", "ordered", "fast"));
  static final Key<String> PRECISION = declare(Key.oneOf("precision", "fp32", "bf16", "fp16"));

  static final Key<Double> TEMPERATURE = declare(Key.number("loss.temperature"));
  static final Key<String> DISTILLATION =
      declare(Key.oneOf("loss.distillation", "none", "kl", "m3"));
  static final Key<Boolean> SELF_DISTILLATION = declare(Key.flag("loss.self-distillation"));
  static final Key<Long> SELF_DISTILLATION_START =
      declare(Key.whole("loss.self-distillation-start-step", -1, LONG));
  static final Key<List<Long>> MRL_DIMS = declare(Key.wholes("loss.mrl-dims", 1));
  static final Key<Boolean> MASK_DUPLICATES = declare(Key.flag("negatives.mask-duplicates"));
  static final Key<String> COMPAT = declare(Key.oneOf("compat", "none", "flagembedding"));

  static final Key<Double> LEARNING_RATE = declare(Key.number("optimizer.learning-rate"));
  static final Key<String> SCHEDULE =
      declare(Key.oneOf("optimizer.schedule", "linear", "constant", "cosine"));
  static final Key<Double> WARMUP_RATIO = declare(Key.number("optimizer.warmup-ratio", 0, 1));
  static final Key<Long> WARMUP_STEPS = declare(Key.whole("optimizer.warmup-steps", 0, LONG));
  static final Key<Double> WEIGHT_DECAY = declare(Key.number("optimizer.weight-decay"));
  static final Key<Double> BETA1 = declare(Key.number("optimizer.beta1"));
  static final Key<Double> BETA2 = declare(Key.number("optimizer.beta2"));
  static final Key<Double> EPSILON = declare(Key.number("optimizer.epsilon"));
  static final Key<Double> MAX_GRADIENT_NORM = declare(Key.number("optimizer.max-gradient-norm"));

  static final Key<Long> WORKERS = declare(Key.whole("workers", 0, MOST_WORKERS));
  static final Key<Optional<Long>> COMPUTE_THREADS =
      declare(Key.whole("compute-threads", 1, MOST_THREADS).or("auto"));
  static final Key<Boolean> TRACE = declare(Key.flag("run.trace"));
  static final Key<Long> CHECKPOINT_STEPS = declare(Key.whole("checkpoint.every-steps", 0, LONG));
  static final Key<Long> CHECKPOINT_MINUTES =
      declare(Key.whole("checkpoint.every-minutes", 0, MOST_MINUTES));
  static final Key<Boolean> CHECKPOINT_EPOCHS = declare(Key.flag("checkpoint.at-epoch-end"));
  static final Key<Long> KEEP_LAST = declare(Key.whole("checkpoint.keep-last", 1, INT));
  static final Key<Long> KEEP_EVERY = declare(Key.whole("checkpoint.keep-every-steps", 0, LONG));
  static final Key<String> CHECKPOINT_WRITER =
      declare(Key.oneOf("checkpoint.writer", "all", "one"));
  static final Key<Optional<Path>> CHECKPOINT_FOLDER = declare(Key.folder("checkpoint.folder"));
  static final Key<Optional<Path>> CHECKPOINT_COPY = declare(Key.folder("checkpoint.copy"));
  static final Key<Boolean> CHECKPOINT_COPY_TO_WORKERS =
      declare(Key.flag("checkpoint.copy-to-workers"));
  static final Key<Long> EVALUATION_STEPS = declare(Key.whole("eval.every-steps", 0, LONG));
  static final Key<Optional<Path>> EVALUATION_CORPUS = declare(Key.path("eval.corpus"));
  static final Key<Optional<Path>> EVALUATION_QUERIES = declare(Key.path("eval.queries"));
  static final Key<Optional<Path>> EVALUATION_QRELS = declare(Key.path("eval.qrels"));
  static final Key<List<Path>> EVALUATION_DATA = declare(Key.paths("eval.data"));
  static final Key<String> EVALUATION_METRIC = declare(Key.oneOf("eval.metric", METRICS));
  static final Key<Long> EVALUATION_PATIENCE = declare(Key.whole("eval.patience", 0, INT));
  static final Key<Boolean> STANDBY = declare(Key.flag("coordinator.standby"));
  static final Key<String> CLUSTER_HOST = declare(Key.text("cluster.host"));
  static final Key<Long> CLUSTER_PORT = declare(Key.whole("cluster.port", 0, MOST_PORT));
  static final Key<Boolean> DIFFERENT_KERNELS =
      declare(Key.flag("cluster.allow-different-kernels"));
  static final Key<Long> LEASE_MS = declare(Key.whole("step.lease-ms", LEAST_LEASE_MS, INT));
  static final Key<Long> AUDIT_STEPS = declare(Key.whole("step.audit-every", 0, INT));
  static final Key<Long> WORKER_HEAP = declare(Key.whole("heap-mib.worker", LEAST_HEAP_MIB, INT));
  static final Key<Long> COORDINATOR_HEAP =
      declare(Key.whole("heap-mib.coordinator", LEAST_HEAP_MIB, INT));
  static final Key<Long> WINDOW_TOKENS = declare(Key.whole("feed.window-tokens", 1, LONG));
  static final Key<Long> LOG_STEPS = declare(Key.whole("log.every-steps", 1, INT));

  static final List<Key<?>> ALL = Collections.unmodifiableList(DECLARED);

  // Where things lie, how many processes there are, what is measured and what is shown changes no
  // bit of a step.
  private static final List<String> FREE =
      List.of(
          "run.output",
          "run.overwrite",
          "run.resume",
          "run.allow-change",
          "run.trace",
          "run.name",
          "model.path",
          "data.files",
          "workers",
          "compute-threads",
          "micro-batch.probe",
          "step.lease-ms",
          "step.audit-every",
          "feed.window-tokens");
  private static final List<String> FREE_GROUPS =
      List.of("checkpoint.", "eval.", "coordinator.", "cluster.", "heap-mib.", "log.");

  private Keys() {}

  /** Whether another value may give other weights. */
  static boolean decidesBits(Key<?> key) {
    return !FREE.contains(key.name()) && FREE_GROUPS.stream().noneMatch(key.name()::startsWith);
  }

  private static <T> Key<T> declare(Key<T> key) {
    DECLARED.add(key);
    return key;
  }
}
