package org.dunlin.data.wordnet;

import java.util.List;

/**
 * Something to train on.
 *
 * @param query a text
 * @param positives texts that answer it, at least one
 */
public record TextPair(String query, List<String> positives) {
  public TextPair {
    positives = List.copyOf(positives);
    if (positives.isEmpty()) {
      throw new IllegalArgumentException("positives: none for '" + query + "' (expected: >= 1)");
    }
  }
}
