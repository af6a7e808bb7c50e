package org.dunlin.data.checkpoint;

import java.util.Locale;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.message.LessonItem.Kind;

/**
 * One tensor's values of one kind, the unit in which the state is spread over files.
 *
 * @param kind no gradient
 * @param tensor the parameter's name and shape
 */
public record StateTensor(Kind kind, Tensor tensor) {
  public StateTensor {
    if (kind == Kind.GRADIENT) {
      throw new IllegalArgumentException(
          tensor.name() + ": a gradient (expected: a parameter or a moment, which are the state)");
    }
  }

  /** How it is called in a file: {@code first-moment.NAME}. */
  String stored() {
    return word(kind) + "." + tensor.name();
  }

  /** A kind in files and sentences: {@code first-moment}. */
  static String word(Kind kind) {
    return kind.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
