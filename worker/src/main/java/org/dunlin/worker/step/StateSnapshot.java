package org.dunlin.worker.step;

import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.member.Device;

/**
 * A share of the state as it was when this was made. While no step is applied its reader reads the
 * state itself; an update first copies what has not been read yet. So training waits for nothing
 * but, where the reader is slower than a step, that copy, which all compute threads make. It is
 * made where an earlier snapshot's was: memory that is new takes ten times as long. Where there is
 * none for it the snapshot breaks, and not the step.
 *
 * <p>Readers read tensor by tensor, in the share's order: what lies before is not kept.
 */
final class StateSnapshot implements Device.Snapshot {
  // One core alone does not take all that memory gives.
  private static final long PIECE_ELEMENTS = 1L << 20;

  private final Lessons lessons;
  private final ComputeThreads threads;
  private final State state;
  private final List<StateTensor> tensors;
  private final Map<StateTensor, Block> spare;

  // Written inside a read or an update of the state, which exclude each other.
  private final Deque<StateTensor> unread;
  private final Map<StateTensor, Block> copies = new HashMap<>();
  private String broken = "";
  private boolean closed;

  /**
   * @param threads that copy, inside an update
   * @param spare where copies may be made; those that are not needed any more are put there
   */
  StateSnapshot(
      Lessons lessons,
      ComputeThreads threads,
      State state,
      List<StateTensor> tensors,
      Map<StateTensor, Block> spare) {
    this.lessons = lessons;
    this.threads = threads;
    this.state = state;
    this.tensors = tensors;
    this.spare = spare;
    this.unread = new ArrayDeque<>(tensors);
  }

  @Override
  public List<StateTensor> tensors() {
    return tensors;
  }

  @Override
  public void read(StateTensor tensor, long firstElement, FloatBuffer into) {
    lessons.read(
        steps -> {
          if (closed || !lessons.isOpen()) {
            throw new IllegalStateException("the state is no longer there");
          }
          if (!broken.isEmpty()) {
            throw Refusal.run(broken);
          }
          while (!unread.isEmpty() && !unread.peek().equals(tensor)) {
            giveBack(unread.remove());
          }
          long count = into.remaining();
          Block copy = copies.get(tensor);
          return into.put(
              copy == null
                  ? state.values(segment(tensor), tensor.kind(), firstElement, count)
                  : copy.floats(firstElement, count));
        });
  }

  private int segment(StateTensor tensor) {
    return state.segment(tensor.tensor().name());
  }

  /** The state is about to change. By the step thread, inside an update. */
  void keep() {
    try {
      copyUnread();
    } catch (OutOfMemoryError e) {
      unread.clear();
      copies.clear();
      spare.clear();
      broken =
          "no memory for a copy of what the disk has not taken yet (%s); use a faster one, or checkpoints less often"
              .formatted(e.getMessage());
    }
  }

  private void copyUnread() {
    List<ComputeThreads.Work<Boolean>> pieces = new ArrayList<>();
    for (StateTensor tensor : unread) {
      if (!copies.containsKey(tensor)) {
        long elements = tensor.tensor().elements();
        Block before = spare.remove(tensor);
        Block copy = before == null ? new Block(elements) : before;
        copies.put(tensor, copy);
        for (long from = 0; from < elements; from += PIECE_ELEMENTS) {
          pieces.add(piece(tensor, copy, from, Math.min(PIECE_ELEMENTS, elements - from)));
        }
      }
    }
    threads.run("keep", pieces);
  }

  private ComputeThreads.Work<Boolean> piece(
      StateTensor tensor, Block copy, long from, long count) {
    return ComputeThreads.sized(
        count,
        () -> "%d values".formatted(count),
        module -> {
          copy.floats(from, count).put(state.values(segment(tensor), tensor.kind(), from, count));
          return true;
        });
  }

  private void giveBack(StateTensor tensor) {
    Block copy = copies.remove(tensor);
    if (copy != null) {
      spare.put(tensor, copy);
    }
  }

  @Override
  public void close() {
    lessons.ended(this);
    lessons.read(
        steps -> {
          closed = true;
          unread.forEach(this::giveBack);
          unread.clear();
          return closed;
        });
  }
}
