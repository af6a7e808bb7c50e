package org.dunlin.data.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dunlin.data.draws.Draws;
import org.dunlin.protocol.run.BatchSpec;

/**
 * The order in which one epoch uses the samples: each exactly once.
 *
 * <p>Each source's rows are shuffled and cut into blocks, a step's batches each; the blocks of all
 * sources are shuffled and cut into windows. A window's rows are read and tokenized, then {@link
 * #steps} sorts each source's rows by length and cuts them into global batches: rows of similar
 * length and of one source meet in a batch, while windows keep the epoch's order random. Not
 * promised: that batches are full where {@code batch.tokens} closes them early or a source ends.
 * Immutable.
 */
public final class EpochPlan {
  private final long seed;
  private final int epoch;
  private final BatchSpec batch;
  private final Sources sources;
  private final int[] order;
  private final int[] firstOfWindow; // [windows + 1]

  private record Block(int[] rows) {}

  /**
   * @param epoch from 0
   */
  public EpochPlan(long seed, int epoch, Sources sources, BatchSpec batch) {
    this.seed = seed;
    this.epoch = epoch;
    this.batch = batch;
    this.sources = sources;
    List<Block> blocks = blocks();
    this.order = blocks.stream().flatMapToInt(block -> Arrays.stream(block.rows())).toArray();
    this.firstOfWindow = firstOfWindow(blocks, batch.sortWindowBatches());
  }

  /** All rows from 0 in one source. */
  EpochPlan(long seed, int epoch, int rows, BatchSpec batch) {
    this(seed, epoch, Sources.one(rows, batch.pairs(), batch.groupSize()), batch);
  }

  public int epoch() {
    return epoch;
  }

  /** Windows of the epoch; the last may be short. */
  public int windows() {
    return firstOfWindow.length - 1;
  }

  /** The rows of a window, in the epoch's order. */
  public int[] window(int number) {
    return Arrays.copyOfRange(order, firstOfWindow[number], firstOfWindow[number + 1]);
  }

  /** What holds for a row's batches. */
  public RowSource source(int row) {
    return sources.of(row);
  }

  /** Which of its passages a row brings along. */
  public Group group(int row, int positives, int negatives) {
    return Group.draw(
        new Draws(seed, Draws.Kind.GROUP, epoch, row),
        positives,
        negatives,
        sources.of(row).groupSize());
  }

  /** Chance for a row's positive to have its parts change places. */
  public Draws textShuffle(int row) {
    return new Draws(seed, Draws.Kind.TEXT_SHUFFLE, epoch, row);
  }

  /**
   * A window's steps, in their order of training.
   *
   * @param tokens {@code [rows of the window]} real tokens of each row, its query and its group
   * @return {@code [steps][batches][rows]}: places in {@code tokens}, each exactly once, those of a
   *     step all of one source; {@code batch.pools} batches a step, fewer where a source ends
   */
  public List<List<int[]>> steps(int window, int[] tokens) {
    int[] numbers = Arrays.stream(window(window)).map(sources::number).toArray();
    List<List<int[]>> steps = new ArrayList<>();
    for (int number : Arrays.stream(numbers).distinct().sorted().toArray()) {
      int[] places =
          IntStream.range(0, numbers.length).filter(at -> numbers[at] == number).toArray();
      List<int[]> cut = BatchCut.cut(places, tokens, sources.all().get(number), batch.tokens());
      for (int first = 0; first < cut.size(); first += batch.pools()) {
        steps.add(cut.subList(first, Math.min(cut.size(), first + batch.pools())));
      }
    }
    return BatchCut.shuffled(steps, new Draws(seed, Draws.Kind.BATCH_ORDER, epoch, window));
  }

  private List<Block> blocks() {
    List<Block> blocks = new ArrayList<>();
    for (int number = 0; number < sources.all().size(); number++) {
      RowSource source = sources.all().get(number);
      int[] rows = source.rows().clone();
      new Draws(seed, Draws.Kind.EPOCH_ORDER, epoch, number).shuffle(rows, rows.length);
      long pairs = (long) source.pairs() * batch.pools();
      for (long first = 0; first < rows.length; first += pairs) {
        int end = (int) Math.min(rows.length, first + pairs);
        blocks.add(new Block(Arrays.copyOfRange(rows, (int) first, end)));
      }
    }
    if (sources.all().size() == 1) {
      return blocks; // in random order already, and the short one last
    }
    int[] shuffled = IntStream.range(0, blocks.size()).toArray();
    new Draws(seed, Draws.Kind.SOURCE_ORDER, epoch, 0).shuffle(shuffled, shuffled.length);
    return Arrays.stream(shuffled).mapToObj(blocks::get).toList();
  }

  private static int[] firstOfWindow(List<Block> blocks, int windowBlocks) {
    int windows = (int) (((long) blocks.size() + windowBlocks - 1) / windowBlocks);
    int[] first = new int[windows + 1];
    for (int block = 0; block < blocks.size(); block++) {
      first[block / windowBlocks + 1] += blocks.get(block).rows().length;
    }
    Arrays.parallelPrefix(first, Integer::sum);
    return first;
  }
}
