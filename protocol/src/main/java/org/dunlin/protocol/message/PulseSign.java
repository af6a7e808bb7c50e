package org.dunlin.protocol.message;

/**
 * The bytes of a pulse, the connection by which a worker shows that it lives. It begins with the
 * worker's name ({@code writeUTF}) and incarnation ({@code writeLong}).
 */
public final class PulseSign {
  /** The worker lives; the coordinator answers with the same. */
  public static final int ALIVE = 1;

  /** The worker ends; what follows, by {@code writeUTF}, are words to be put behind its name. */
  public static final int LAST_WORDS = 2;

  /**
   * The other way: the coordinator's word that the worker has to leave. What follows are its term
   * ({@code writeLong}), the reason ({@code writeUTF}) and whether it is a refusal ({@code
   * writeBoolean}). It says the same as the message {@link ToWorker.Leave}, by a way that lasts as
   * long as the worker seems alive.
   */
  public static final int LEAVE = 3;

  /** Characters of a sentence: its bytes are 65535 at most, and a character may have three. */
  private static final int MOST_CHARACTERS = 20_000;

  private PulseSign() {}

  /** The beginning of a sentence, if it is too long. */
  public static String fitting(String sentence) {
    return sentence.substring(0, Math.min(MOST_CHARACTERS, sentence.length()));
  }
}
