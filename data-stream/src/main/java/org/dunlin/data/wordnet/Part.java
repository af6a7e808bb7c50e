package org.dunlin.data.wordnet;

/** A part of the synsets, by {@link Synset#bucket}: parts share none. */
public enum Part {
  /** What results are reported on. */
  TEST(0, 5),
  /** What settings are tuned on. */
  DEV(5, 8),
  TRAIN(8, 100);

  private final int from;
  private final int end;

  Part(int from, int end) {
    this.from = from;
    this.end = end;
  }

  boolean has(Synset synset) {
    return synset.bucket() >= from && synset.bucket() < end;
  }
}
