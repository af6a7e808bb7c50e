package org.dunlin.conf.embed;

import java.util.OptionalInt;
import org.dunlin.protocol.Refusal;

/** Where texts are cut. */
final class MaxTokens {
  private MaxTokens() {}

  /**
   * A limit that was asked for, checked, or the default.
   *
   * @param least special tokens, which leave no room for a text
   * @param most what the model takes
   */
  static int of(String flag, OptionalInt asked, int least, int most, int otherwise) {
    int tokens = asked.orElse(otherwise);
    if (tokens <= least || tokens > most) {
      throw Refusal.usage(
          "%s: %d (expected: %d to %d tokens, for this model)"
              .formatted(flag, tokens, least + 1, most));
    }
    return tokens;
  }
}
