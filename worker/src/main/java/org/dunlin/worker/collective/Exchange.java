package org.dunlin.worker.collective;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.function.IntSupplier;

/**
 * The collectives of one generation. All members call the same methods in the same order; each call
 * blocks until its result is there, so calls belong on a compute or step thread, never on an actor.
 *
 * <p>Sums are taken in the fixed {@link SummationTree} over slots, whoever holds which leaves: the
 * bits do not depend on the number of members.
 */
public interface Exchange extends AutoCloseable {

  /** What a transfer carries; a frame of another kind, step or generation is never mixed in. */
  enum Kind {
    EMBEDDINGS(1),
    EMBEDDING_GRADIENTS(2),
    GRADIENTS(3),
    EMBEDDING_ROWS(4),
    LEXICAL_IDS(5),
    LEXICAL_WEIGHTS(6),
    TOKEN_VECTORS(7),
    LEXICAL_GRADIENTS(8),
    VECTOR_GRADIENTS(9),
    CLAIMS(10);

    private final int code;

    Kind(int code) {
      this.code = code;
    }

    /** Its number on the wire. */
    int code() {
      return code;
    }

    static Kind of(int code) {
      for (Kind kind : values()) {
        if (kind.code == code) {
          return kind;
        }
      }
      throw new IllegalStateException(
          "kind of transfer: " + code + " (expected: 1 to " + values().length + ")");
    }
  }

  /** This member's place among the members, from 0. */
  int member();

  /** How many members there are. */
  int members();

  /**
   * Fills the whole block from everyone's part.
   *
   * @param whole from position 0: member m's part lies from {@code bounds[m]} to {@code bounds[m +
   *     1]}; the own part is filled on entry, all of it on return
   */
  default void allGather(long step, Kind kind, FloatBuffer whole, int[] bounds) {
    int own = bounds[member() + 1] - bounds[member()];
    allGather(step, kind, whole, bounds, () -> own);
  }

  /**
   * As the other, while the own part is still being filled by other threads, from its beginning on:
   * what is there is sent.
   *
   * @param filled how many floats of the own part are, never fewer than before; what it throws ends
   *     the call
   */
  void allGather(long step, Kind kind, FloatBuffer whole, int[] bounds, IntSupplier filled);

  /**
   * As the first, for bytes that mean nothing here.
   *
   * @param whole from position 0
   * @param bounds in bytes
   */
  void allGather(long step, Kind kind, ByteBuffer whole, int[] bounds);

  /**
   * Sums everyone's partials in the fixed tree and gives each member its part of the sum.
   *
   * @param tree of the step: which slots are absent
   * @param partials this member's sums over complete subtrees, disjoint, each from position 0 to
   *     the end of the last part; they stay as they are
   * @param bounds of the members' parts, as in {@link #allGather}
   * @param sum where the own part is written, from {@code bounds[member]} to {@code bounds[member +
   *     1]}; the rest is left as it is
   */
  void reduceScatter(
      long step,
      Kind kind,
      SummationTree tree,
      List<Partial<FloatBuffer>> partials,
      int[] bounds,
      FloatBuffer sum);

  /** Sums everyone's rows in the fixed tree; every member gets the whole sum. */
  RowSet allReduceRows(
      long step, Kind kind, SummationTree tree, List<Partial<RowSet>> partials, int width);

  /** Whether it was closed: whatever is under way is broken off, and nobody waits for it. */
  boolean isClosed();

  /** By any thread; a call that waits then fails. */
  @Override
  void close();
}
