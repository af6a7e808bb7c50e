package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.checkpoint.CheckpointThread;
import org.dunlin.coordinator.ledger.Checksums;
import org.dunlin.coordinator.ledger.LedgerFile;
import org.dunlin.coordinator.ledger.LedgerProof;
import org.dunlin.coordinator.ledger.LedgerReader;
import org.dunlin.coordinator.model.ModelExport;
import org.dunlin.coordinator.record.RecordFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.AuditPlan;
import org.dunlin.coordinator.step.CheckpointPlan;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.EvaluationPlan;
import org.dunlin.coordinator.step.Evaluations;
import org.dunlin.coordinator.step.Past;
import org.dunlin.data.checkpoint.CheckpointFolders;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.data.checkpoint.Retention;
import org.dunlin.data.feed.Feed;
import org.dunlin.data.feed.PlannedSteps;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.plan.DataPlan;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.ledger.LedgerRecord;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.RunSpec;

/**
 * What a run reads, opened and checked, and the run that it makes. Close it when the run is over.
 */
final class Inputs implements AutoCloseable {
  private final Settings settings;
  private final ModelFolder model;
  private final SampleFiles samples;
  private final Tokenizer tokenizer;
  private final RunSpec spec;
  private final DataPlan plan;
  private Optional<LedgerFile> ledger = Optional.empty();
  private Optional<CheckpointThread> checkpoints = Optional.empty();
  private Optional<CheckpointEvaluator> evaluator = Optional.empty();

  private Inputs(
      Settings settings,
      ModelFolder model,
      SampleFiles samples,
      Tokenizer tokenizer,
      RunSpec spec,
      DataPlan plan) {
    this.settings = settings;
    this.model = model;
    this.samples = samples;
    this.tokenizer = tokenizer;
    this.spec = spec;
    this.plan = plan;
  }

  /** Opens them; what is missing or does not fit is a {@link org.dunlin.protocol.Refusal}. */
  static Inputs open(Settings settings) {
    ModelFolder model = open(settings.modelPath(), settings);
    SampleFiles samples = null;
    Tokenizer tokenizer = null;
    try {
      samples = SampleFiles.open(settings.dataFiles());
      tokenizer = Tokenizer.open(settings.modelPath());
      DataPlan plan =
          Feed.plan(samples, settings.data(), settings.batch(model.encoder()), settings.seed());
      long steps = steps(settings, model, samples, tokenizer);
      RunSpec spec = settings.runSpec(model, steps, samples.sha256());
      return new Inputs(settings, model, samples, tokenizer, spec, plan);
    } catch (RuntimeException e) {
      close(model, samples, tokenizer);
      throw e;
    }
  }

  private static ModelFolder open(Path path, Settings settings) {
    ModelFolder model = ModelFolder.open(path);
    if (model.isReranker()) {
      model.close();
      throw Refusal.run(
          "%s: a reranker, which scores pairs and embeds nothing (expected: an encoder, to be trained to embed); give the model that it was made from, or use this one as it is: dunlin score --model %s"
              .formatted(path, path));
    }
    return settings.withHeads(model);
  }

  private static long steps(
      Settings settings, ModelFolder model, SampleFiles samples, Tokenizer tokenizer) {
    return settings.steps() > 0
        ? settings.steps()
        : Feed.steps(
            samples,
            tokenizer,
            settings.batch(model.encoder()),
            settings.data(),
            settings.seed(),
            settings.epochs());
  }

  /** What the run makes of its model's heads and of its files, a line each. */
  List<String> planLines() {
    return Stream.concat(model.headsOrigin().stream(), plan.lines().stream()).toList();
  }

  RunSpec spec() {
    return spec;
  }

  /** The length of the longest text, in tokens, padded; may read all of the data. */
  int longestText() {
    return Feed.longestText(samples, tokenizer, spec);
  }

  /** The same with other limits of micro-batches by length. Close only one of the two. */
  Inputs with(List<MicroBatchLimit> limits) {
    RunSpec limited = spec.with(spec.batch().withLimits(limits));
    return new Inputs(settings.probed(limits), model, samples, tokenizer, limited, plan);
  }

  /** What an evaluation needs; refuses files that are no retrieval test, or hold no pairs. */
  CheckpointEvaluator.Needs evaluationNeeds() {
    return settings.evaluateEverySteps() == 0
        ? CheckpointEvaluator.Needs.NOTHING
        : CheckpointEvaluator.Needs.of(
            settings, spec, model.tensors().stream().mapToLong(Tensor::elements).sum());
  }

  /** What there is to be proven of a run of them. */
  LedgerProof.Plan ledgerPlan(PlannedSteps steps) {
    BitSet rows = new BitSet();
    plan.sources().all().forEach(source -> Arrays.stream(source.rows()).forEach(rows::set));
    return new LedgerProof.Plan(rows, steps);
  }

  /** Which samples each step uses. Close it before this. */
  PlannedSteps plannedSteps() {
    return new PlannedSteps(samples, tokenizer, spec);
  }

  /** Refuses other weights or data than the run in a folder began with. */
  void requireResumable(Path runFolder) {
    LedgerReader.find(runFolder)
        .flatMap(LedgerReader::header)
        .ifPresent(
            header -> {
              requireSame("data", spec.dataSha256(), header.dataSha256());
              requireSame("weights", spec.weightsSha256(), header.weightsSha256());
              if (header.steps() != spec.steps()) {
                throw Refusal.usage(
                    "train.steps: %d (expected: %d, what the run began with)"
                        .formatted(spec.steps(), header.steps()));
              }
            });
  }

  private static void requireSame(String what, String found, String expected) {
    if (!found.equals(expected)) {
      throw Refusal.usage(
          "the SHA-256 of the %s is %s (expected: %s, what the run began with); bring back what it was given"
              .formatted(what, found, expected));
    }
  }

  // A run must not take another one's checkpoints for its own.
  private void requireOwn(CheckpointFolders folders, boolean follows) {
    if (!follows && settings.resume().isEmpty() && !folders.complete().isEmpty()) {
      boolean inFirst = !folders.first().complete().isEmpty();
      throw Refusal.usage(
          "%s: holds checkpoints already (expected: none, where a run begins); set another %s, or go on from them with --resume"
              .formatted(
                  FolderName.of(
                      inFirst
                          ? settings.checkpointFolder()
                          : settings.checkpointCopy().orElseThrow()),
                  inFirst ? "checkpoint.folder" : "checkpoint.copy"));
    }
  }

  private static Past past(
      LedgerReader ledger, CheckpointFolders folders, Evaluations evaluations) {
    ledger.read(step -> {});
    Checksums known = ledger.checksums();
    return new Past(
        known.steps(),
        known.last(),
        folders.complete().stream().findFirst().orElse(0L),
        ledger.history(),
        ledger.since(),
        evaluations);
  }

  // A run that a person lets go on begins where its checkpoint is; its ledger may be further.
  private Optional<CheckpointPoint> resumes(
      CheckpointFolders folders, Past past, Checksums known, Consumer<RunEvent> watcher) {
    Consumer<String> told = sentence -> watcher.accept(new RunEvent.Noted(sentence));
    return settings
        .resume()
        .map(
            step -> {
              CheckpointPoint point =
                  step.isPresent()
                      ? folders.at(
                          step.getAsLong(),
                          checkpoint -> CheckpointThread.point(checkpoint, spec, known),
                          told)
                      : CheckpointThread.newest(folders, spec, known, told);
              if (!settings.allowedChanges().isEmpty() && past.steps() > point.steps()) {
                throw Refusal.usage(
                    "run.allow-change: %d steps after the checkpoint are committed, and would be others (expected: a run that goes on from its last step)"
                        .formatted(past.steps() - point.steps()));
              }
              watcher.accept(new RunEvent.Noted(goesOn(point.steps(), past.steps())));
              return point;
            });
  }

  private static String goesOn(long from, long committed) {
    String again =
        committed > from
            ? "; %d more steps were committed, and are computed again, to the same bits"
                .formatted(committed - from)
            : "";
    return from == 0
        ? "the run begins from its first state" + again
        : "the run goes on from its checkpoint after %d steps".formatted(from) + again;
  }

  private LedgerRecord.Header header(Term term) {
    return new LedgerRecord.Header(
        spec.name(),
        term,
        spec.steps(),
        samples.count(),
        plan.sources().rows(),
        spec.dataSha256(),
        spec.weightsSha256());
  }

  /**
   * The run as its coordinator needs it. Once: it begins the run's ledger.
   *
   * @param term that the coordinator holds for as long as it lives
   * @param follows whether another coordinator of this run has just died
   * @param host under which workers reach it
   */
  Run run(
      Term term,
      boolean follows,
      Admission admission,
      String host,
      Path runFolder,
      Consumer<RunEvent> watcher) {
    CheckpointFolders folders =
        CheckpointFolders.of(settings.checkpointFolder(), settings.checkpointCopy());
    Optional<LedgerReader> before =
        term.number() > 1 ? LedgerReader.find(runFolder) : Optional.empty();
    CheckpointEvaluator measures =
        CheckpointEvaluator.of(settings, runFolder, folders, evaluationNeeds());
    evaluator = Optional.of(measures);
    Evaluations evaluations = Evaluations.of(RecordFile.read(runFolder), measures.set());
    EvaluationPlan evaluationPlan =
        new EvaluationPlan(settings.evaluateEverySteps(), settings.evaluationPatience());
    Past past = before.map(one -> past(one, folders, evaluations)).orElse(Past.NONE);
    requireOwn(folders, follows);
    Checksums known = before.map(LedgerReader::checksums).orElseGet(Checksums::new);
    Optional<CheckpointPoint> resumes =
        follows ? Optional.empty() : resumes(folders, past, known, watcher);
    RecordFile records = RecordFile.open(runFolder, term);
    LedgerFile begun = LedgerFile.create(runFolder, header(term), known);
    ledger = Optional.of(begun);
    CheckpointThread kept =
        new CheckpointThread(
            folders,
            settings.checkpointByMembers(),
            settings.checkpointCopyToWorkers() || settings.checkpointsInObjectStorage(),
            model,
            spec,
            known,
            term,
            Version.CURRENT,
            settings.render(),
            new Retention(
                settings.checkpointKeepLast(),
                settings.checkpointKeepEverySteps(),
                kept(past, evaluationPlan)));
    checkpoints = Optional.of(kept);
    return new Run(
        term,
        spec,
        Version.CURRENT,
        host,
        settings.leaseMs(),
        admission,
        settings.maxNonFiniteSteps(),
        settings.feedWindowTokens(),
        past,
        resumes,
        new CheckpointPlan(
            settings.checkpointEverySteps(), settings.checkpointAtEpochEnd(), true, true),
        Duration.ofMinutes(settings.checkpointEveryMinutes()),
        evaluationPlan,
        new AuditPlan(settings.auditEverySteps(), spec.seed()),
        measures,
        records.cutsBefore(),
        step -> Feed.batches(samples, tokenizer, spec, step),
        kept,
        new ModelExport(model, spec, runFolder),
        records,
        begun,
        watcher);
  }

  // The best one, and one that an earlier coordinator left to be measured.
  private Set<Long> kept(Past past, EvaluationPlan evaluationPlan) {
    Set<Long> kept = new TreeSet<>(past.evaluations().kept());
    kept.add(evaluationPlan.lastMeasured(past.steps(), spec.steps()));
    return kept;
  }

  @Override
  public void close() {
    evaluator.ifPresent(CheckpointEvaluator::close);
    ledger.ifPresent(LedgerFile::close);
    checkpoints.ifPresent(CheckpointThread::close);
    close(model, samples, tokenizer);
  }

  private static void close(ModelFolder model, SampleFiles samples, Tokenizer tokenizer) {
    if (tokenizer != null) {
      tokenizer.close();
    }
    if (samples != null) {
      samples.close();
    }
    model.close();
  }
}
