package org.dunlin.conf.settings;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** Finds the word that a person may have meant. */
final class Spelling {
  private Spelling() {}

  /**
   * The nearest of the known keys, unless none is near; the last part alone counts almost as much.
   */
  static Optional<String> nearest(String key, Collection<String> known) {
    return known.stream()
        .min(Comparator.comparingInt(candidate -> distance(key, candidate)))
        .filter(best -> distance(key, best) <= Math.max(2, key.length() / 3));
  }

  private static int distance(String key, String candidate) {
    return Math.min(edits(key, candidate), 1 + edits(lastPart(key), lastPart(candidate)));
  }

  private static String lastPart(String key) {
    return key.substring(key.lastIndexOf('.') + 1);
  }

  /** Levenshtein's distance: letters to insert, delete or replace. */
  private static int edits(String from, String to) {
    int[] row = new int[to.length() + 1];
    for (int j = 0; j <= to.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= from.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= to.length(); j++) {
        int replaced = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[to.length()];
  }
}
