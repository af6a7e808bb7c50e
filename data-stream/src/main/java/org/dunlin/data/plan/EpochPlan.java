package org.dunlin.data.plan;

import java.util.Arrays;
import java.util.List;
import org.dunlin.protocol.run.BatchSpec;

/**
 * The order in which one epoch uses the samples: each exactly once.
 *
 * <p>All rows are shuffled and cut into windows. A window's rows are read and tokenized, then
 * {@link #batches} sorts them by length and cuts them into global batches: rows of similar length
 * meet in a batch, while windows keep the epoch's order random. Not promised: that a window's
 * batches are full where {@code batch.tokens} closes them early. Immutable.
 */
public final class EpochPlan {
  private final long seed;
  private final int epoch;
  private final BatchSpec batch;
  private final int[] order;
  private final int windowRows;

  /**
   * @param epoch from 0
   * @param rows of the training data
   */
  public EpochPlan(long seed, int epoch, int rows, BatchSpec batch) {
    this.seed = seed;
    this.epoch = epoch;
    this.batch = batch;
    this.order = new int[rows];
    Arrays.setAll(order, row -> row);
    new Draws(seed, Draws.Kind.EPOCH_ORDER, epoch, 0).shuffle(order, rows);
    this.windowRows =
        (int) Math.min(rows, Math.max(1, (long) batch.sortWindowBatches() * batch.pairs()));
  }

  public int epoch() {
    return epoch;
  }

  /** Windows of the epoch; the last may be short. */
  public int windows() {
    return (int) (((long) order.length + windowRows - 1) / windowRows);
  }

  /** The rows of a window, in the epoch's order. */
  public int[] window(int number) {
    int first = Math.multiplyExact(number, windowRows);
    return Arrays.copyOfRange(
        order, first, (int) Math.min(order.length, (long) first + windowRows));
  }

  /** Which of its passages a row brings along. */
  public Group group(int row, int positives, int negatives) {
    return Group.draw(
        new Draws(seed, Draws.Kind.GROUP, epoch, row), positives, negatives, batch.groupSize());
  }

  /**
   * A window's global batches, in their order of training.
   *
   * @param tokens {@code [rows of the window]} real tokens of each row, its query and its group
   * @return {@code [batches][rows]}: places in {@code tokens}, each exactly once
   */
  public List<int[]> batches(int window, int[] tokens) {
    return BatchCut.cut(tokens, batch, new Draws(seed, Draws.Kind.BATCH_ORDER, epoch, window));
  }
}
