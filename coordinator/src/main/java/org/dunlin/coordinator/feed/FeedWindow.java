package org.dunlin.coordinator.feed;

import java.util.Collection;
import java.util.Collections;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.dunlin.data.feed.StepBatch;

/**
 * Keeps the batches of uncommitted steps, so that they can be sent again to whoever must compute
 * them, and says whether another one fits. Not thread-safe: it belongs to the coordinator actor.
 */
public final class FeedWindow {
  /** Whatever the budget: the step that computes and the one after it. */
  static final int LEAST_STEPS = 2;

  /** However small the batches: bounds the queues to the workers. */
  public static final int MOST_STEPS = 64;

  private final long maxTokens;
  private final TreeMap<Long, StepBatch> steps = new TreeMap<>();
  private long tokens;

  /**
   * @param maxTokens budget of real tokens of all kept batches together
   */
  public FeedWindow(long maxTokens) {
    this.maxTokens = maxTokens;
  }

  /** Whether one more step should be read. */
  public boolean isOpen() {
    return steps.size() < LEAST_STEPS || (steps.size() < MOST_STEPS && tokens < maxTokens);
  }

  /** Keeps the next step's batch. */
  public void add(StepBatch batch) {
    if (!isOpen()) {
      throw new IllegalStateException(
          steps.size() + " steps with " + tokens + " tokens are a full window");
    }
    steps.put(batch.header().step(), batch);
    tokens += batch.header().tokens();
  }

  /** Puts another form of each kept batch in its place. */
  public void replace(UnaryOperator<StepBatch> form) {
    steps.replaceAll((step, batch) -> form.apply(batch));
  }

  /** Forgets a step that is final, and gives it back for the record. */
  public StepBatch committed(long step) {
    StepBatch batch = steps.remove(step);
    if (batch == null) {
      throw new IllegalStateException("step " + step + " is not in the window");
    }
    tokens -= batch.header().tokens();
    return batch;
  }

  /** A kept step; empty if it has not been read yet, or is final. */
  public Optional<StepBatch> find(long step) {
    return Optional.ofNullable(steps.get(step));
  }

  /** All kept batches, ascending by step. */
  public Collection<StepBatch> batches() {
    return Collections.unmodifiableCollection(steps.values());
  }
}
