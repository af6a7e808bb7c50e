package org.dunlin.conf.launch;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.dunlin.conf.evaluate.Metric;
import org.dunlin.conf.launch.EvaluationProcess.Word;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.data.checkpoint.CheckpointFolders;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.data.feed.Feed;
import org.dunlin.data.model.Sha256;
import org.dunlin.data.retrieval.RetrievalSet;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.RunSpec;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Measures a run's checkpoints, each in a process of its own, so that memory that runs out there,
 * or a hang, is no danger to the run: the process is started again. Close it: that ends what is
 * under way.
 */
final class CheckpointEvaluator implements Run.Evaluator, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(CheckpointEvaluator.class);
  private static final int MOST_ATTEMPTS = 3;

  /** A micro-batch of the largest encoder on a slow machine takes a minute. */
  private static final Duration MOST_SILENT = Duration.ofMinutes(10);

  private static final long MIB = 1 << 20;
  private static final long LEAST_HEAP_MIB = 512;

  /** One is under way, and one may be waiting whose result nobody wants. */
  private static final int QUEUE = 64;

  private final Settings settings;
  private final Path runFolder;
  private final CheckpointFolders folders;
  private final String set;
  private final long heapMib;
  private final long directMib;
  private final Class<?> program;
  private final Duration mostSilent;
  private final ThreadPoolExecutor thread =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(QUEUE),
          Thread.ofPlatform().daemon().name("evaluations").factory());
  private Optional<Child> child = Optional.empty();
  private boolean closed;

  /**
   * With a limit of the caller's own.
   *
   * @param program that is started; says what {@link EvaluationProcess} says
   * @param mostSilent for how long it may say nothing
   */
  CheckpointEvaluator(
      Settings settings,
      Path runFolder,
      CheckpointFolders folders,
      Needs needs,
      Class<?> program,
      Duration mostSilent) {
    this.settings = settings;
    this.runFolder = runFolder;
    this.folders = folders;
    this.set = set(settings, needs);
    this.heapMib = needs.heapBytes() / MIB;
    this.directMib = needs.directBytes() / MIB;
    this.program = program;
    this.mostSilent = mostSilent;
  }

  /**
   * What an evaluation's process needs.
   *
   * @param heapBytes for texts, and embeddings with their copy for the search
   * @param directBytes for parameters; with a loss, for gradient and moments too
   * @param pairs SHA-256 of the pairs whose loss is measured; empty if none is
   */
  record Needs(long heapBytes, long directBytes, Optional<String> pairs) {
    static final Needs NOTHING = new Needs(0, 0, Optional.empty());

    /** Parameters, gradient, two moments. */
    private static final long STATE_COPIES = 4;

    static Needs of(Settings settings, RunSpec spec, long parameters) {
      long heapBytes = LEAST_HEAP_MIB * MIB;
      long copies = 1;
      Optional<String> held = Optional.empty();
      if (settings.evaluationFiles().isPresent()) {
        heapBytes += heapBytes(settings.evaluationFiles().get().read(), spec);
      }
      if (!settings.evaluationData().isEmpty()) {
        try (SampleFiles pairs = SampleFiles.open(settings.evaluationData())) {
          Feed.plan(pairs, settings.data(), settings.batch(spec.encoder()), settings.seed());
          held = Optional.of(pairs.sha256());
        }
        copies = STATE_COPIES;
      }
      return new Needs(
          heapBytes, copies * parameters * Float.BYTES + ProcessRun.MORE_DIRECT_MIB * MIB, held);
    }

    private static long heapBytes(RetrievalSet set, RunSpec spec) {
      long texts = (long) set.queries().size() + set.documents().size();
      long characters =
          set.queries().stream().mapToLong(String::length).sum()
              + set.documents().stream().mapToLong(String::length).sum();
      long perText = 3L * spec.encoder().hidden() * Float.BYTES + 256;
      return texts * perText + 4 * characters;
    }
  }

  static CheckpointEvaluator of(
      Settings settings, Path runFolder, CheckpointFolders folders, Needs needs) {
    return new CheckpointEvaluator(
        settings, runFolder, folders, needs, EvaluationProcess.class, MOST_SILENT);
  }

  // Whatever changes a figure; which figure decides, too.
  private static String set(Settings settings, Needs needs) {
    if (settings.evaluateEverySteps() == 0) {
      return "";
    }
    List<String> all = new ArrayList<>();
    settings
        .evaluationFiles()
        .ifPresent(
            files -> all.addAll(List.of(files.sha256(), settings.evaluationForm().toString())));
    needs.pairs().ifPresent(all::add);
    all.add(settings.evaluationMetric());
    byte[] text = String.join("\n", all).getBytes(StandardCharsets.UTF_8);
    return HexFormat.of().formatHex(Sha256.digest().digest(text));
  }

  @Override
  public String set() {
    return set;
  }

  @Override
  public CompletionStage<Run.Evaluation> measure(long steps) {
    return CompletableFuture.supplyAsync(() -> attempts(steps), thread);
  }

  private Run.Evaluation attempts(long steps) {
    long startNs = System.nanoTime();
    String why = "";
    for (int attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      Tried tried = attempt(steps, attempt);
      if (tried.figures().isPresent()) {
        Map<String, Double> figures = tried.figures().get();
        String metric = settings.evaluationMetric();
        return new Run.Evaluation(
            metric,
            Metric.of(metric).score(figures.get(metric)),
            figures,
            (System.nanoTime() - startNs) / 1e9);
      }
      why = tried.why();
      LOG.warn("evaluation after {} steps, attempt {}: {}", steps, attempt, why);
    }
    throw Refusal.run("%s, in %d attempts".formatted(why, MOST_ATTEMPTS));
  }

  private record Tried(Optional<Map<String, Double>> figures, String why) {
    static Tried found(Map<String, Double> figures) {
      return new Tried(Optional.of(figures), "");
    }

    static Tried failed(String why) {
      return new Tried(Optional.empty(), why);
    }
  }

  /** A line, or the end with an exit code. */
  private record Sign(Optional<Word> word, int exitCode) {}

  private Tried attempt(long steps, int attempt) {
    BlockingQueue<Sign> signs = new LinkedBlockingQueue<>();
    Path log = RunFolder.log(runFolder, "evaluation");
    Child started = start(steps, attempt, log, signs);
    try {
      Optional<Word> last = Optional.empty();
      while (true) {
        Sign sign = signs.poll(mostSilent.toMillis(), TimeUnit.MILLISECONDS);
        if (sign == null || sign.word().isEmpty()) {
          // What it found counts, though it may stand still before its end.
          return switch (last.orElseGet(Word.Alive::new)) {
            case Word.Figures found -> Tried.found(found.figures());
            case Word.Refused refused -> throw Refusal.run(refused.sentence());
            case Word.Alive alive ->
                Tried.failed(
                    (sign == null
                            ? "its process was silent for %d seconds"
                                .formatted(mostSilent.toSeconds())
                            : "its process ended with exit code %d".formatted(sign.exitCode()))
                        + "; its log is "
                        + log);
          };
        }
        if (!(sign.word().get() instanceof Word.Alive)) {
          last = sign.word();
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Refusal.run("the run has ended", e);
    } finally {
      started.kill();
    }
  }

  private synchronized Child start(long steps, int attempt, Path log, BlockingQueue<Sign> signs) {
    if (closed) {
      throw Refusal.run("the run has ended");
    }
    Child started =
        Child.start(
            new Child.Plan(
                new RunEvent.Member("evaluation", "evaluation", attempt, 0),
                program,
                List.of(
                    runFolder.toString(),
                    FolderName.of(folders.folder(steps)),
                    Integer.toString(settings.computeThreads())),
                heapMib,
                directMib,
                log),
            line -> signs.add(new Sign(Optional.of(Word.of(line)), 0)),
            exitCode -> signs.add(new Sign(Optional.empty(), exitCode)));
    child = Optional.of(started);
    return started;
  }

  @Override
  public void close() {
    synchronized (this) {
      closed = true;
      child.ifPresent(Child::kill);
    }
    thread.shutdownNow();
  }
}
