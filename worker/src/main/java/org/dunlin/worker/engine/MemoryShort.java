package org.dunlin.worker.engine;

import ai.djl.engine.EngineException;
import java.util.Locale;

/** A micro-batch did not fit into the device's memory; what it had taken is given back. */
public final class MemoryShort extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int rows;
  private final int tokens;

  /**
   * @param rows of the micro-batch
   * @param tokens that each was padded to
   */
  public MemoryShort(int rows, int tokens, Throwable cause) {
    super("no memory for %d rows of %d tokens".formatted(rows, tokens), cause);
    this.rows = rows;
    this.tokens = tokens;
  }

  public int rows() {
    return rows;
  }

  public int tokens() {
    return tokens;
  }

  /**
   * Whether a failure says that libtorch was given no memory, on a processor or a graphics card.
   */
  public static boolean isReasonOf(Throwable failure) {
    if (failure instanceof OutOfMemoryError || failure instanceof MemoryShort) {
      return true;
    }
    String text = String.valueOf(failure.getMessage()).toLowerCase(Locale.ROOT);
    return failure instanceof EngineException
        && (text.contains("not enough memory")
            || text.contains("can't allocate memory")
            || text.contains("out of memory")
            // oneDNN does not say why; seen of its gelu when an address space was full.
            || text.contains("could not create a primitive"));
  }
}
