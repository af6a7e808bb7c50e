package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.List;
import org.dunlin.data.state.Segment;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.engine.Module;

/** Gradients of trained parameters but the word embedding, as one buffer and as arrays. */
final class GradientBlock {
  private final Block block;
  private final int floats;
  private final NDArray[] arrays;
  private final long[] from;

  /**
   * @param manager owns the arrays
   * @param segments the trained ones without the word embedding's
   */
  GradientBlock(NDManager manager, List<Segment> segments) {
    this.floats = floats(segments);
    this.block = new Block(floats);
    this.arrays = new NDArray[segments.size()];
    this.from = new long[segments.size()];
    long at = 0;
    for (int s = 0; s < arrays.length; s++) {
      long[] shape = segments.get(s).tensor().shape().stream().mapToLong(Long::longValue).toArray();
      arrays[s] = Module.list("g", block.array(manager, at, shape));
      from[s] = at;
      at += Block.align(segments.get(s).tensor().elements());
    }
  }

  private static int floats(List<Segment> segments) {
    long sum = 0;
    for (Segment segment : segments) {
      sum += Block.align(segment.tensor().elements());
    }
    return Math.toIntExact(sum);
  }

  /** The whole block, gaps between segments included: they are always 0. */
  FloatBuffer values() {
    return block.floats(0, floats);
  }

  NDArray[] arrays() {
    return arrays.clone();
  }

  /** How many parameters. */
  int size() {
    return arrays.length;
  }

  NDArray array(int segment) {
    return arrays[segment];
  }

  /** Some of a segment's values, from an element on. */
  FloatBuffer values(int segment, long firstElement, long count) {
    return block.floats(from[segment] + firstElement, count);
  }

  java.nio.ByteBuffer bytes() {
    return block.bytes(0, floats);
  }
}
