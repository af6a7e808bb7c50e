package org.dunlin.worker.member;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.LessonItem;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.collective.Exchange;

/**
 * What a member trains on. One at a time is used by one thread, the step thread; {@link #read} may
 * be called by another while nothing is being applied.
 */
public interface Device extends AutoCloseable {
  /** The parameters' names and numbers of elements, in a fixed order. */
  Map<String, Long> parameters();

  /** Values of moments, all together: two for each of a trained parameter's. */
  long moments();

  /**
   * Begins with the state after so many updates: what is {@link #write written} next, and moments
   * that are zero where nothing is.
   */
  void restore(long steps, Scalars scalars);

  /** Sets values of a tensor of the state; the buffer's remaining floats, row-major. */
  void write(Kind kind, String tensor, long firstElement, FloatBuffer values);

  /** The same for a parameter. */
  default void write(String parameter, long firstElement, FloatBuffer values) {
    write(Kind.PARAMETER, parameter, firstElement, values);
  }

  /** Copies values of a parameter until the buffer is full. */
  void read(String parameter, long firstElement, FloatBuffer into);

  /**
   * Computes a step up to its reduced gradient, together with the other members.
   *
   * <p>When the members part, what this one has done of the step is kept: the next call for it, in
   * another exchange, goes on from there, also with slots that are no longer among the own ones
   * where nobody else has begun them.
   *
   * @param own batches of the own slots that are not empty, ascending
   * @param slotBounds {@code [members + 1]}: member m owns slots {@code slotBounds[m]} to {@code
   *     slotBounds[m + 1] - 1}
   * @param recompute what becomes of what is kept of the step; the same for all members
   */
  StepResult compute(
      StepHeader header,
      List<SlotBatch> own,
      Exchange exchange,
      int[] slotBounds,
      Recompute recompute);

  /** The same, where what is kept is of use. */
  default StepResult compute(
      StepHeader header, List<SlotBatch> own, Exchange exchange, int[] slotBounds) {
    return compute(header, own, exchange, slotBounds, Recompute.MISSING);
  }

  /**
   * What this member tells a learner, in order. Any thread may ask for the next item; the device
   * closes it too.
   */
  interface Lesson extends AutoCloseable {
    /**
     * The next item; waits until there is one. Empty once it is closed.
     *
     * @throws IllegalStateException if the learner is too far behind to be taught
     */
    Optional<LessonItem> next();

    @Override
    void close();
  }

  /** What a learner makes of its lesson. Belongs to the step thread. */
  interface Study {
    /**
     * Takes the next item of a share.
     *
     * @throws org.dunlin.protocol.Refusal if this machine's updates give other bits
     */
    Progress accept(int share, LessonItem item);
  }

  /**
   * How far a learner is.
   *
   * @param steps that all shares have seen
   * @param whole whether nothing is missing, all shares have seen the same steps, and every
   *     teacher's digest has been met
   */
  record Progress(long steps, boolean whole) {}

  /**
   * Begins to teach a share of the state. By any thread; it never holds a step up for longer than
   * one chunk is copied, or a digest is made.
   */
  Lesson teach(int share, int shares);

  /** Begins to learn the whole state, in so many shares; what was there before counts no more. */
  Study study(int shares);

  /** A share of the state as it is at one moment, while steps are applied. */
  interface Snapshot extends AutoCloseable {
    /** What belongs to the share, in the order in which it is read. */
    List<StateTensor> tensors();

    /**
     * Copies values into a buffer until it is full. By one thread, which need not be the step
     * thread.
     *
     * @param tensor one of {@link #tensors}
     */
    void read(StateTensor tensor, long firstElement, FloatBuffer into);

    /** Lets go of what it holds. */
    @Override
    void close();
  }

  /**
   * Takes a share of the state as it is now. By any thread while nothing is being applied; what is
   * not read by the next update is copied then.
   */
  Snapshot snapshot(int share, int shares);

  /**
   * What of the state is no tensor, after the updates applied so far. It belongs into a checkpoint,
   * and to whoever joins, beside the parameters and moments.
   */
  Scalars scalars();

  /** Applies the reduced gradient of the step computed last, or skips it if it is not finite. */
  void apply(long step);

  @Override
  void close();
}
