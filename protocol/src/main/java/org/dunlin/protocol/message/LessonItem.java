package org.dunlin.protocol.message;

import java.nio.ByteBuffer;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.run.Scalars;

/**
 * What a member tells a learner, in order: {@link Begun}; then tensors of its share, each as parts
 * that {@link Held} ends; between them, for every step that is applied meanwhile, the gradient of
 * the tensors held so far, which {@link Done} ends. So a tensor's values are always those before
 * the next gradient, whenever they were read. A tensor whose parts the next step overtook comes
 * again from its beginning.
 */
public sealed interface LessonItem extends OnWire {
  /** The state after so many steps, with what of it is no tensor. */
  record Begun(long steps, Scalars scalars) implements LessonItem {}

  /** Which values of a tensor. */
  enum Kind {
    PARAMETER,
    FIRST_MOMENT,
    SECOND_MOMENT,
    GRADIENT
  }

  /**
   * Some values.
   *
   * @param firstElement place of the first of them in the tensor, row-major; 0 with rows
   * @param rows which rows of the tensor they are, ascending; empty: they follow each other
   * @param values float32, little-endian, read-only; at most {@link StateChunk#MAX_BYTES}
   */
  record Part(String tensor, Kind kind, long firstElement, int[] rows, ByteBuffer values)
      implements LessonItem {}

  /** All of a tensor's values have been sent. */
  record Held(String tensor) implements LessonItem {}

  /** A step has been applied, or skipped: the gradient before this is whole. */
  record Done(StepResult step) implements LessonItem {}

  /**
   * CRC32C of the share, tensor by tensor, parameters before moments.
   *
   * @param steps after which it is so
   */
  record Digest(long steps, long crc) implements LessonItem {}
}
