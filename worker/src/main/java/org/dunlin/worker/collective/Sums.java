package org.dunlin.worker.collective;

import java.nio.FloatBuffer;

/** Sums of blocks, element by element, and of row sets; bound by memory bandwidth. */
final class Sums {
  private Sums() {}

  /** A fold of blocks in place: sums go into the left ones. */
  static TreeFold<FloatBuffer> folding(SummationTree tree) {
    return new TreeFold<>(tree, Sums::addInto);
  }

  /** {@code left[i] += right[i]}. */
  static FloatBuffer addInto(FloatBuffer left, FloatBuffer right) {
    int size = left.remaining();
    int l = left.position();
    int r = right.position();
    for (int i = 0; i < size; i++) {
      left.put(l + i, left.get(l + i) + right.get(r + i));
    }
    return left;
  }

  /** The union of two row sets; a row of one only is copied. */
  static PartialRows merge(int node, PartialRows left, PartialRows right) {
    int[] rows = union(left.rows(), right.rows());
    int width = left.width();
    FloatBuffer values = FloatBuffer.allocate(Math.multiplyExact(rows.length, width));
    int l = 0;
    int r = 0;
    for (int out = 0; out < rows.length; out++) {
      boolean inLeft = l < left.rows().length && left.rows()[l] == rows[out];
      boolean inRight = r < right.rows().length && right.rows()[r] == rows[out];
      int at = out * width;
      if (inLeft) {
        values.put(at, left.values(), left.values().position() + l++ * width, width);
      }
      if (inRight && !inLeft) {
        values.put(at, right.values(), right.values().position() + r++ * width, width);
      } else if (inRight) {
        int from = right.values().position() + r++ * width;
        for (int i = 0; i < width; i++) {
          values.put(at + i, values.get(at + i) + right.values().get(from + i));
        }
      }
    }
    return new PartialRows(node, rows, width, values);
  }

  private static int[] union(int[] left, int[] right) {
    int[] rows = new int[left.length + right.length];
    int l = 0;
    int r = 0;
    int size = 0;
    while (l < left.length || r < right.length) {
      int next;
      if (r == right.length || (l < left.length && left[l] <= right[r])) {
        next = left[l];
      } else {
        next = right[r];
      }
      l += l < left.length && left[l] == next ? 1 : 0;
      r += r < right.length && right[r] == next ? 1 : 0;
      rows[size++] = next;
    }
    return java.util.Arrays.copyOf(rows, size);
  }
}
