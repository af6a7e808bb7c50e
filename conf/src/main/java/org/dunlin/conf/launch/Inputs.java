package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.coordinator.ledger.LedgerFile;
import org.dunlin.coordinator.ledger.LedgerProof;
import org.dunlin.coordinator.ledger.LedgerReader;
import org.dunlin.coordinator.model.InitialState;
import org.dunlin.coordinator.model.ModelExport;
import org.dunlin.coordinator.record.RecordFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.Past;
import org.dunlin.data.feed.Feed;
import org.dunlin.data.feed.PlannedSteps;
import org.dunlin.data.model.ModelFolder;
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
    try {
      if (model.isReranker()) {
        throw Refusal.run(
            "%s: a reranker, which scores pairs and embeds nothing (expected: an encoder, to be trained to embed); give the model that it was made from, or use this one as it is: dunlin score --model %s"
                .formatted(path, path));
      }
      return settings.isUnified() ? model.withHeads(settings.colbertDim(), settings.seed()) : model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
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

  // The last one may have to be computed once more.
  private static Past past(Path runFolder) {
    AtomicReference<Past> last = new AtomicReference<>(Past.NONE);
    LedgerReader.open(runFolder).read(step -> last.set(new Past(step.step() + 1, step.checksum())));
    return last.get();
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
   * @param host under which workers reach it
   */
  Run run(Term term, Admission admission, String host, Path runFolder, Consumer<RunEvent> watcher) {
    Past past = term.number() > 1 ? past(runFolder) : Past.NONE;
    RecordFile records = RecordFile.open(runFolder, term);
    LedgerFile begun = LedgerFile.create(runFolder, header(term));
    ledger = Optional.of(begun);
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
        records.before(),
        Feed.batches(samples, tokenizer, spec, Math.max(0, past.steps() - 1)),
        () -> InitialState.of(model),
        new ModelExport(model, spec, runFolder),
        records,
        begun,
        watcher);
  }

  @Override
  public void close() {
    ledger.ifPresent(LedgerFile::close);
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
