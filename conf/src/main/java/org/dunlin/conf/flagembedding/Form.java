package org.dunlin.conf.flagembedding;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.dunlin.protocol.Refusal;

/** How a flag's text becomes a key's value. */
enum Form {
  /** As it is; the key checks it. */
  PLAIN,
  /** True or False, or nothing, which is True. */
  TRUTH,
  /** Paths up to the next flag. */
  PATHS,
  /** A number, of which 0 and less mean none. */
  COUNT_OR_NONE,
  /** A width, of which 0 and less mean the model's own. */
  WIDTH,
  POOLING,
  SCHEDULE;

  private static final List<String> YES = List.of("true", "t", "yes", "y", "1");
  private static final List<String> NO = List.of("false", "f", "no", "n", "0");

  private static final Map<String, String> SCHEDULES =
      Map.of(
          "linear", "linear",
          "constant", "constant",
          "constant_with_warmup", "constant",
          "cosine", "cosine");

  static boolean isTruth(String text) {
    String word = text.toLowerCase(Locale.ROOT);
    return YES.contains(word) || NO.contains(word);
  }

  static boolean truth(String flag, String text) {
    if (!isTruth(text)) {
      throw Refusal.usage(flag + ": " + text + " (expected: True or False)");
    }
    return YES.contains(text.toLowerCase(Locale.ROOT));
  }

  /** The key's value; what does not fit is refused with the flag's name. */
  Object value(String flag, List<String> texts) {
    String text = texts.isEmpty() ? "True" : texts.get(0);
    return switch (this) {
      case PLAIN -> text;
      case TRUTH -> truth(flag, text);
      case PATHS -> texts;
      case COUNT_OR_NONE -> positive(text) ? text : "0";
      case WIDTH -> positive(text) ? text : "auto";
      case POOLING -> text.replace('_', '-');
      case SCHEDULE -> {
        String schedule = SCHEDULES.get(text.toLowerCase(Locale.ROOT));
        if (schedule == null) {
          throw Refusal.usage(
              "%s: %s (expected: linear, cosine, constant or constant_with_warmup)"
                  .formatted(flag, text));
        }
        yield schedule;
      }
    };
  }

  private static boolean positive(String text) {
    return !text.equals("None") && !text.startsWith("-") && !text.equals("0");
  }
}
