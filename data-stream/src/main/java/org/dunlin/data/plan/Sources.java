package org.dunlin.data.plan;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** The sources of a run, and which of them a row belongs to. Immutable. */
public final class Sources {
  private final List<RowSource> all;
  private final int[] numbers; // of each row's source; -1: in none

  public Sources(List<RowSource> sources) {
    this.all = List.copyOf(sources);
    int rows =
        1 + all.stream().flatMapToInt(source -> Arrays.stream(source.rows())).max().orElse(-1);
    this.numbers = new int[rows];
    Arrays.fill(numbers, -1);
    for (int number = 0; number < all.size(); number++) {
      for (int row : all.get(number).rows()) {
        if (numbers[row] >= 0) {
          throw new IllegalArgumentException("row " + row + ": in two sources (expected: in one)");
        }
        numbers[row] = number;
      }
    }
  }

  /** Rows from 0 in one source. */
  static Sources one(int rows, int pairs, int groupSize) {
    int[] all = IntStream.range(0, rows).toArray();
    return new Sources(List.of(new RowSource(all, pairs, groupSize, true, false, false)));
  }

  public List<RowSource> all() {
    return all;
  }

  /** The number of a row's source. */
  int number(int row) {
    return numbers[row];
  }

  public RowSource of(int row) {
    return all.get(numbers[row]);
  }

  /** Rows of all sources. */
  public int rows() {
    return all.stream().mapToInt(source -> source.rows().length).sum();
  }

  /**
   * Steps of an epoch, where no batch is cut by its tokens.
   *
   * @param pools batches of a step
   */
  public long steps(int pools) {
    long steps = 0;
    for (RowSource source : all) {
      steps += Math.ceilDiv((long) source.rows().length, (long) source.pairs() * pools);
    }
    return steps;
  }
}
