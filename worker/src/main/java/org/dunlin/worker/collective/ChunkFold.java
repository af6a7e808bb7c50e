package org.dunlin.worker.collective;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/**
 * Sums one chunk after the other of many blocks in the fixed {@link SummationTree}; what {@link
 * TreeFold} does, without an allocation, and without a change of the blocks that are summed.
 *
 * <p>The bits are the tree's: a node's two children are added, absent ones are passed over, and
 * which of the two came first is the same to a sum of two. A chunk that comes by a stream is added
 * to its sibling straight from the stream's memory; only when that is not there yet is it copied.
 * The last sum is written where the result belongs. One thread at a time.
 */
final class ChunkFold {
  private final SummationTree tree;
  private final int chunkFloats;
  private final FloatBuffer result;
  private final FloatBuffer[] waiting; // by node
  private final int[] waitingFrom;
  private final boolean[] waitingSpare;
  private final FloatBuffer[] spares;
  private int freeSpares;
  private final Sums.Adder adder = new Sums.Adder();
  private int at;
  private int length;
  private boolean complete;

  /**
   * @param chunkFloats the longest chunk
   * @param result where sums are written, each chunk at its own place
   */
  ChunkFold(SummationTree tree, int chunkFloats, FloatBuffer result) {
    this.tree = tree;
    this.chunkFloats = chunkFloats;
    this.result = result;
    this.waiting = new FloatBuffer[2 * tree.slots()];
    this.waitingFrom = new int[waiting.length];
    this.waitingSpare = new boolean[waiting.length];
    this.spares = new FloatBuffer[tree.slots()];
  }

  /** Begins the chunk from {@code at}, once the one before is complete. */
  void begin(int at, int length) {
    this.at = at;
    this.length = length;
    this.complete = false;
  }

  /** Whether the chunk's sum is written. */
  boolean isComplete() {
    return complete;
  }

  /**
   * Adds a node's sum of the chunk, which lies from {@code from} on.
   *
   * @param isLasting whether it stays there, as it is, until the chunk is complete
   */
  void add(int node, FloatBuffer block, int from, boolean isLasting) {
    if (node < 1 || node >= waiting.length || !tree.isPresent(node)) {
      throw new IllegalStateException("node: " + node + " (expected: one with slots of this step)");
    }
    FloatBuffer sum = block;
    int sumFrom = from;
    boolean lasting = isLasting;
    boolean spare = false;
    boolean written = false;
    for (int n = node; n > 1; n /= 2) {
      int sibling = n ^ 1;
      if (!tree.isPresent(sibling)) {
        continue;
      }
      if (waiting[sibling] == null) {
        await(n, sum, sumFrom, lasting, spare);
        return;
      }
      FloatBuffer other = waiting[sibling];
      int otherFrom = waitingFrom[sibling];
      boolean otherSpare = waitingSpare[sibling];
      waiting[sibling] = null;
      boolean isLast = isWhole(n / 2);
      FloatBuffer target = isLast ? result : ofTwo(sum, spare, other, otherSpare);
      int targetFrom = isLast ? at : 0;
      adder.add(target, targetFrom, other, otherFrom, sum, sumFrom, length);
      if (spare && (isLast || otherSpare)) {
        spares[freeSpares++] = sum;
      }
      if (otherSpare && isLast) {
        spares[freeSpares++] = other;
      }
      written = isLast;
      sum = target;
      sumFrom = targetFrom;
      lasting = true;
      spare = !isLast;
    }
    if (!written) {
      result.put(at, sum, sumFrom, length);
    }
    complete = true;
  }

  // Where a sum goes that is not the last one, from 0 on: blocks stay as they are.
  private FloatBuffer ofTwo(FloatBuffer sum, boolean spare, FloatBuffer other, boolean otherSpare) {
    if (otherSpare) {
      return other;
    }
    return spare ? sum : spare();
  }

  // Whether nothing is added any more on the way from a node to the root.
  private boolean isWhole(int node) {
    for (int n = node; n > 1; n /= 2) {
      if (tree.isPresent(n ^ 1)) {
        return false;
      }
    }
    return true;
  }

  private void await(int node, FloatBuffer block, int from, boolean lasting, boolean isSpare) {
    if (waiting[node] != null) {
      throw new IllegalStateException("node " + node + " was summed twice");
    }
    if (lasting) {
      waiting[node] = block;
      waitingFrom[node] = from;
      waitingSpare[node] = isSpare;
      return;
    }
    FloatBuffer copy = spare();
    copy.put(0, block, from, length);
    waiting[node] = copy;
    waitingFrom[node] = 0;
    waitingSpare[node] = true;
  }

  private FloatBuffer spare() {
    if (freeSpares > 0) {
      return spares[--freeSpares];
    }
    return ByteBuffer.allocateDirect(chunkFloats * Float.BYTES)
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer();
  }
}
