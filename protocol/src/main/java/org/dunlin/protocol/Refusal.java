package org.dunlin.protocol;

import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Something a person has to mend. Its message is one clear sentence that names the value, the limit
 * and the mend; it is printed as it is, without a stack trace.
 */
public final class Refusal extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What was wrong; decides the exit code. */
  public enum Kind {
    /** The data, the model or the run: exit code 1. */
    RUN(1),
    /** A flag, a key or a path: exit code 2. */
    USAGE(2);

    private final int exitCode;

    Kind(int exitCode) {
      this.exitCode = exitCode;
    }

    public int exitCode() {
      return exitCode;
    }
  }

  private final Kind kind;

  private Refusal(Kind kind, String sentence, Throwable cause) {
    super(sentence, cause);
    this.kind = kind;
  }

  /** A file's content or the run itself is at fault. */
  public static Refusal run(String sentence) {
    return new Refusal(Kind.RUN, sentence, null);
  }

  /** As {@link #run(String)}, with what the log should also show. */
  public static Refusal run(String sentence, Throwable cause) {
    return new Refusal(Kind.RUN, sentence, cause);
  }

  /** A flag, a configuration key or a path is at fault. */
  public static Refusal usage(String sentence) {
    return new Refusal(Kind.USAGE, sentence, null);
  }

  /** The first one among an error and its causes: what a person should read of it. */
  public static Optional<Refusal> in(Throwable error) {
    return Stream.iterate(error, Objects::nonNull, Throwable::getCause)
        .filter(Refusal.class::isInstance)
        .map(Refusal.class::cast)
        .findFirst();
  }

  public Kind kind() {
    return kind;
  }
}
