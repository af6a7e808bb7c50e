package org.dunlin.worker.engine;

/** Work was broken off because nobody waits for it any more. */
public final class Abandoned extends RuntimeException {
  private static final long serialVersionUID = 1;

  public Abandoned(String what) {
    super(what);
  }
}
