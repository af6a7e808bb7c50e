package org.dunlin.worker.collective;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Some rows of a table; the others are absent, which is not the same as 0.
 *
 * @param rows their numbers, strictly ascending
 * @param width floats of a row
 * @param values {@code [rows.length * width]} from position 0, row by row
 */
public record RowSet(int[] rows, int width, FloatBuffer values) {

  /** A fold of row sets: a sum holds the rows of both, and a row of one only is copied. */
  public static TreeFold<RowSet> folding(SummationTree tree) {
    return new TreeFold<>(tree, RowSet::plus);
  }

  /** The sum from left to right; empty where there are none. */
  public static Optional<RowSet> sum(List<RowSet> sets) {
    return sets.stream().reduce(RowSet::plus);
  }

  private RowSet plus(RowSet right) {
    if (right.width != width) {
      throw new IllegalStateException("width: " + right.width + " (expected: " + width + ")");
    }
    int[] union = union(rows, right.rows);
    FloatBuffer sum = FloatBuffer.allocate(Math.multiplyExact(union.length, width));
    int l = 0;
    int r = 0;
    for (int row = 0; row < union.length; row++) {
      int at = row * width;
      boolean inLeft = l < rows.length && rows[l] == union[row];
      boolean inRight = r < right.rows.length && right.rows[r] == union[row];
      if (inLeft) {
        sum.put(at, values, l++ * width, width);
      } else {
        sum.put(at, right.values, r * width, width);
      }
      if (inLeft && inRight) {
        Sums.addInto(sum.slice(at, width), right.values.slice(r * width, width));
      }
      r += inRight ? 1 : 0;
    }
    return new RowSet(union, width, sum);
  }

  private static int[] union(int[] left, int[] right) {
    int[] union = new int[left.length + right.length];
    int l = 0;
    int r = 0;
    int size = 0;
    while (l < left.length && r < right.length) {
      int order = Integer.compare(left[l], right[r]);
      union[size++] = order <= 0 ? left[l] : right[r];
      l += order <= 0 ? 1 : 0;
      r += order >= 0 ? 1 : 0;
    }
    System.arraycopy(left, l, union, size, left.length - l);
    size += left.length - l;
    System.arraycopy(right, r, union, size, right.length - r);
    size += right.length - r;
    return Arrays.copyOf(union, size);
  }
}
