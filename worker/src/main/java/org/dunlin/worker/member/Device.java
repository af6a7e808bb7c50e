package org.dunlin.worker.member;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
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

  /** Sets values of a parameter; the buffer's remaining floats, row-major. */
  void write(String parameter, long firstElement, FloatBuffer values);

  /** Copies values of a parameter until the buffer is full. */
  void read(String parameter, long firstElement, FloatBuffer into);

  /**
   * Computes a step up to its reduced gradient, together with the other members.
   *
   * @param own batches of the own slots that are not empty, ascending
   * @param slotBounds {@code [members + 1]}: member m owns slots {@code slotBounds[m]} to {@code
   *     slotBounds[m + 1] - 1}
   */
  StepResult compute(StepHeader header, List<SlotBatch> own, Exchange exchange, int[] slotBounds);

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
