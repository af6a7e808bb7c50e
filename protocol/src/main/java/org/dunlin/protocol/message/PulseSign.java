package org.dunlin.protocol.message;

/**
 * The bytes of a pulse, the connection by which a worker shows that it lives. It begins with the
 * worker's name ({@code writeUTF}) and incarnation ({@code writeLong}).
 */
public final class PulseSign {
  /** The worker lives. */
  public static final int ALIVE = 1;

  /** The worker ends; what follows, by {@code writeUTF}, are words to be put behind its name. */
  public static final int LAST_WORDS = 2;

  private PulseSign() {}
}
