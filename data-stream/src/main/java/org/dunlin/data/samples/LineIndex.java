package org.dunlin.data.samples;

import java.util.Arrays;

/**
 * Where every row lies: 12 bytes a row, so that tens of millions fit. Filled by one thread, then
 * only read.
 */
final class LineIndex {
  /** Rows are numbered with an int in the epoch plan's arrays. */
  static final int MAX_ROWS = Integer.MAX_VALUE - 8;

  private long[] starts = new long[1024];
  private int[] lengths = new int[1024];
  private int rows;

  void add(long startByte, int lengthBytes) {
    if (rows == starts.length) {
      int larger = (int) Math.min(MAX_ROWS, rows + (long) (rows >> 1));
      starts = Arrays.copyOf(starts, larger);
      lengths = Arrays.copyOf(lengths, larger);
    }
    starts[rows] = startByte;
    lengths[rows] = lengthBytes;
    rows++;
  }

  int rows() {
    return rows;
  }

  /** The row's first byte in its file. */
  long startByte(int row) {
    return starts[row];
  }

  int lengthBytes(int row) {
    return lengths[row];
  }
}
