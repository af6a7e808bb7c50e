package org.dunlin.data.feed;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.dunlin.data.plan.EpochPlan;
import org.dunlin.data.plan.Sources;
import org.dunlin.protocol.run.BatchSpec;

/**
 * The rows that are sorted by length together: a part of one epoch, never of two.
 *
 * @param plan of its epoch
 * @param number within the epoch, from 0
 */
record Window(EpochPlan plan, int number) {

  /**
   * All windows of epoch after epoch, without an end. One epoch's order is kept, or two where they
   * meet.
   */
  static Iterator<Window> endless(long seed, Sources sources, BatchSpec batch) {
    return endless(seed, 0, sources, batch);
  }

  /** The same from an epoch on. */
  static Iterator<Window> endless(long seed, int epoch, Sources sources, BatchSpec batch) {
    return new Iterator<>() {
      private Window next = new Window(new EpochPlan(seed, epoch, sources, batch), 0);

      @Override
      public boolean hasNext() {
        return true;
      }

      @Override
      public Window next() {
        Window window = next;
        EpochPlan plan = window.plan();
        next =
            window.number() + 1 < plan.windows()
                ? new Window(plan, window.number() + 1)
                : new Window(
                    new EpochPlan(seed, Math.addExact(plan.epoch(), 1), sources, batch), 0);
        return window;
      }
    };
  }

  int[] rows() {
    return plan.window(number);
  }

  /**
   * The steps of this window.
   *
   * @param samples of {@link #rows}, in their order
   */
  List<StepRows> steps(List<TokenizedSample> samples) {
    int[] tokens = samples.stream().mapToInt(TokenizedSample::tokens).toArray();
    return plan.steps(number, tokens).stream().map(step -> step(step, samples)).toList();
  }

  private StepRows step(List<int[]> batches, List<TokenizedSample> samples) {
    int[] firstQueryOfPool = new int[batches.size() + 1];
    for (int pool = 0; pool < batches.size(); pool++) {
      firstQueryOfPool[pool + 1] = firstQueryOfPool[pool] + batches.get(pool).length;
    }
    List<TokenizedSample> own =
        batches.stream().flatMapToInt(Arrays::stream).mapToObj(samples::get).toList();
    return new StepRows(plan.epoch(), own, firstQueryOfPool);
  }
}
