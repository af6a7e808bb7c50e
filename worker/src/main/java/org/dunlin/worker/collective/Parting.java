package org.dunlin.worker.collective;

/** The members of a generation cannot reach each other, or no longer; the sentence says who. */
public final class Parting extends RuntimeException {
  private static final long serialVersionUID = 1;

  public Parting(String sentence) {
    super(sentence);
  }

  public Parting(String sentence, Throwable cause) {
    super(sentence, cause);
  }
}
