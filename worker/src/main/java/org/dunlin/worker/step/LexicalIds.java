package org.dunlin.worker.step;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which token of a text speaks for its id: of equal ids the one with the largest weight, of equal
 * weights the first. A token that does not speak has no weight and gets no gradient, so a text's
 * lexical embedding needs no row as wide as the vocabulary.
 */
final class LexicalIds {
  /** Stands for no id. */
  static final float NONE = -1;

  private final Set<Integer> silent;

  /**
   * @param silentIds ids that never get a weight
   */
  LexicalIds(List<Integer> silentIds) {
    this.silent = new HashSet<>(silentIds);
  }

  /**
   * The id that each token speaks for.
   *
   * @param tokens a text's ids
   * @param weights as many, not negative; set to 0 where a token does not speak
   */
  float[] speakers(int[] tokens, float[] weights) {
    Map<Integer, Integer> speaker = new HashMap<>();
    for (int t = 0; t < tokens.length; t++) {
      int before = speaker.getOrDefault(tokens[t], -1);
      if (!silent.contains(tokens[t]) && (before < 0 || weights[t] > weights[before])) {
        speaker.put(tokens[t], t);
      }
    }
    float[] ids = new float[tokens.length];
    for (int t = 0; t < tokens.length; t++) {
      boolean speaks = speaker.getOrDefault(tokens[t], -1) == t;
      ids[t] = speaks ? tokens[t] : NONE;
      weights[t] = speaks ? weights[t] : 0;
    }
    return ids;
  }
}
