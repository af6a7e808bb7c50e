package org.dunlin.data.feed;

import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.dunlin.data.plan.Sources;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.run.RunSpec;

/**
 * Which samples {@link Feed#batches} uses in each step, from the first step on and beyond the run's
 * last one, without an end. The texts are tokenized for it, because lengths decide which samples
 * meet: that takes nearly as long as feeding them.
 *
 * <p>{@link #next} waits, for one window at a time, and throws what is wrong with the data. One
 * thread; files and tokenizer must stay open until this is closed.
 */
public final class PlannedSteps implements Iterator<PlannedStep>, AutoCloseable {
  private final WindowReader reader;
  private final Iterator<Window> windows;
  private CompletableFuture<List<StepRows>> ahead;
  private Iterator<StepRows> steps = List.<StepRows>of().iterator();

  public PlannedSteps(SampleFiles samples, Tokenizer tokenizer, RunSpec spec) {
    Sources sources = Feed.plan(samples, spec).sources();
    this.reader = new WindowReader(samples, tokenizer, spec.batch(), spec.data());
    this.windows = Window.endless(spec.seed(), sources, spec.batch());
    this.ahead = reader.read(windows.next());
  }

  /** Always. */
  @Override
  public boolean hasNext() {
    return true;
  }

  @Override
  public PlannedStep next() {
    while (!steps.hasNext()) {
      CompletableFuture<List<StepRows>> due = ahead;
      ahead = reader.read(windows.next());
      try {
        steps = due.join().iterator();
      } catch (CompletionException e) {
        throw e.getCause() instanceof RuntimeException cause ? cause : e;
      }
    }
    StepRows step = steps.next();
    return new PlannedStep(
        step.epoch(), step.samples().stream().mapToLong(TokenizedSample::id).toArray());
  }

  @Override
  public void close() {
    reader.close();
  }
}
