package org.dunlin.data.feed;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import org.apache.pekko.NotUsed;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.data.plan.DataPlan;
import org.dunlin.data.plan.EpochPlan;
import org.dunlin.data.plan.Planner;
import org.dunlin.data.plan.Sources;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.RunSpec;

/**
 * The steps of a run as a stream with backpressure: equal runs and files give equal streams.
 *
 * <p>{@code Feed.batches(samples, tokenizer, spec).runWith(sink, system)}. Files and tokenizer must
 * stay open until the stream has ended. Each materialization reads for itself, with threads of its
 * own. What is wrong with the data fails the stream with a {@link org.dunlin.protocol.Refusal}.
 */
public final class Feed {
  /**
   * Windows that are read while the steps of the one before are sent out. So two windows' tokens
   * are in memory, one for training and one that is ready when it ends.
   */
  private static final int WINDOWS_AHEAD = 1;

  private Feed() {}

  /** Steps 0 to {@code spec.steps() - 1}, over as many epochs as they take. */
  public static Source<StepBatch, NotUsed> batches(
      SampleFiles samples, Tokenizer tokenizer, RunSpec spec) {
    return batches(samples, tokenizer, spec, 0);
  }

  /**
   * The same from a later step on. Whole epochs before it cost nothing where the batch has so many
   * pairs; the rest of its own epoch is tokenized, and with {@code batch.tokens} everything.
   */
  public static Source<StepBatch, NotUsed> batches(
      SampleFiles samples, Tokenizer tokenizer, RunSpec spec, long firstStep) {
    BatchSpec batch = spec.batch();
    return Source.lazySource(
            () -> {
              DataSpec data = spec.data();
              Sources sources = plan(samples, data, batch, spec.seed()).sources();
              WindowReader reader = new WindowReader(samples, tokenizer, batch, data);
              long epochSteps = batch.tokens() == 0 ? sources.steps(batch.pools()) : Long.MAX_VALUE;
              int epoch = Math.toIntExact(firstStep / epochSteps);
              long before = batch.tokens() == 0 ? epoch * epochSteps : 0;
              return Source.fromIterator(() -> Window.endless(spec.seed(), epoch, sources, batch))
                  .mapAsync(WINDOWS_AHEAD, reader::read)
                  .mapConcat(steps -> steps)
                  .zipWithIndex()
                  .map(step -> Pair.create(step.first(), before + step.second()))
                  .dropWhile(step -> step.second() < firstStep)
                  .map(step -> step.first().cut(step.second(), batch))
                  .take(spec.steps() - firstStep)
                  .mapError(CompletionException.class, Feed::cause)
                  .watchTermination(
                      (none, end) -> {
                        end.whenComplete((done, failure) -> reader.close());
                        return none;
                      });
            })
        .mapMaterializedValue(started -> NotUsed.getInstance());
  }

  /**
   * How many steps a number of epochs takes.
   *
   * <p>A source with batches of so many pairs gives {@code ceil(rows / pairs)} steps an epoch. With
   * {@code batch.tokens} every epoch is planned, for which its texts are tokenized: that takes as
   * long as feeding them. A fraction of an epoch is that fraction of its steps, rounded up.
   *
   * @param epochs greater than 0
   */
  public static long steps(
      SampleFiles samples,
      Tokenizer tokenizer,
      BatchSpec batch,
      DataSpec data,
      long seed,
      double epochs) {
    if (!(epochs > 0 && epochs <= Integer.MAX_VALUE)) {
      throw new IllegalArgumentException("train.epochs: " + epochs + " (expected: > 0)");
    }
    Sources sources = plan(samples, data, batch, seed).sources();
    int whole = (int) epochs;
    // In decimals: as doubles, 0.7 of 10 steps are more than 7.
    BigDecimal fraction = BigDecimal.valueOf(epochs).subtract(BigDecimal.valueOf(whole));
    if (batch.tokens() == 0) {
      long steps = sources.steps(batch.pools());
      return whole * steps + share(fraction, steps);
    }
    try (WindowReader reader = new WindowReader(samples, tokenizer, batch, data)) {
      long steps = 0;
      for (int epoch = 0; epoch < epochs; epoch++) {
        long planned = plan(reader, new EpochPlan(seed, epoch, sources, batch));
        steps += epoch < whole ? planned : share(fraction, planned);
      }
      return steps;
    }
  }

  /**
   * The steps of a run's first epoch, one by one, by the caller's thread, which waits for the
   * files. What is wrong with the data is thrown.
   */
  public static void firstEpoch(
      SampleFiles samples, Tokenizer tokenizer, RunSpec spec, Consumer<StepBatch> use) {
    EpochPlan epoch = new EpochPlan(spec.seed(), 0, plan(samples, spec).sources(), spec.batch());
    try (WindowReader reader = new WindowReader(samples, tokenizer, spec.batch(), spec.data())) {
      long step = 0;
      for (int window = 0; window < epoch.windows(); window++) {
        for (StepRows rows : read(reader, new Window(epoch, window))) {
          use.accept(rows.cut(step, spec.batch()));
          step++;
        }
      }
    }
  }

  /** What a run makes of its files, and what a person should know of it. */
  public static DataPlan plan(SampleFiles samples, DataSpec data, BatchSpec batch, long seed) {
    return Planner.plan(samples.files(), data, batch, seed);
  }

  /**
   * The length of the longest text of a run's files, in tokens with instruction and special ones,
   * padded, and cut where the run cuts. Files with no text that is cut are tokenized as a whole:
   * that takes as long as feeding all their passages.
   */
  public static int longestText(SampleFiles samples, Tokenizer tokenizer, RunSpec spec) {
    return new LongestText(samples, tokenizer, spec).tokens();
  }

  static DataPlan plan(SampleFiles samples, RunSpec spec) {
    return plan(samples, spec.data(), spec.batch(), spec.seed());
  }

  private static long plan(WindowReader reader, EpochPlan epoch) {
    long steps = 0;
    for (int window = 0; window < epoch.windows(); window++) {
      steps += read(reader, new Window(epoch, window)).size();
    }
    return steps;
  }

  private static List<StepRows> read(WindowReader reader, Window window) {
    try {
      return reader.read(window).join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }

  private static long share(BigDecimal fraction, long steps) {
    return fraction
        .multiply(BigDecimal.valueOf(steps))
        .setScale(0, RoundingMode.CEILING)
        .longValueExact();
  }

  private static Throwable cause(CompletionException e) {
    return e.getCause() == null ? e : e.getCause();
  }
}
