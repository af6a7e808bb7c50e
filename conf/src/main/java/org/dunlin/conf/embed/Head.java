package org.dunlin.conf.embed;

/** Which embeddings of a text are wanted. */
public enum Head {
  DENSE("dense", "dense_vecs"),
  SPARSE("sparse", "lexical_weights"),
  COLBERT("colbert", "colbert_vecs");

  private final String word;
  private final String key;

  Head(String word, String key) {
    this.word = word;
    this.key = key;
  }

  /** FlagEmbedding's name of what it gives. */
  String key() {
    return key;
  }

  /** As it is typed. */
  @Override
  public String toString() {
    return word;
  }
}
