package org.dunlin.data.tokens;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Stream;
import org.dunlin.protocol.Refusal;

/**
 * A model folder's {@code tokenizer.json}.
 *
 * <p>Truncation is done here and not by the library, so that one loaded vocabulary serves queries
 * and passages, each with its own limit. Thread-safe; close it.
 */
public final class Tokenizer implements AutoCloseable {
  static {
    // Nothing may leave this machine when a tokenizer is opened.
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("OPT_OUT_TRACKING", "true");
  }

  private final HuggingFaceTokenizer tokenizer;
  // Guards native memory: closing while another thread encodes would free it under that thread.
  private final ReadWriteLock life = new ReentrantReadWriteLock();
  private final int leading;
  private final int trailing;
  private final long[] pairLeading;
  private final long[] pairMiddle;
  private final long[] pairTrailing;
  private boolean closed;

  private Tokenizer(HuggingFaceTokenizer tokenizer) {
    this.tokenizer = tokenizer;
    // Any text will do: what the template puts around it is marked as special.
    long[] special = tokenizer.encode("a", true, false).getSpecialTokenMask();
    this.leading = run(special, 0, 1);
    this.trailing = leading == special.length ? 0 : run(special, special.length - 1, -1);
    Encoding pair = tokenizer.encode("a", "a", true, false);
    long[] marks = pair.getSpecialTokenMask();
    long[] ids = pair.getIds();
    int text = Math.toIntExact(Arrays.stream(marks).filter(mark -> mark == 0).count() / 2);
    int first = run(marks, 0, 1);
    int last = marks.length - run(marks, marks.length - 1, -1);
    this.pairLeading = Arrays.copyOf(ids, first);
    this.pairMiddle = Arrays.copyOfRange(ids, first + text, last - text);
    this.pairTrailing = Arrays.copyOfRange(ids, last, ids.length);
  }

  /** Opens {@code tokenizer.json} of a folder; what cannot be read is a {@link Refusal}. */
  public static Tokenizer open(Path folder) {
    Path file = folder.resolve("tokenizer.json");
    if (!Files.isReadable(file)) {
      throw Refusal.usage(
          folder + ": has no readable tokenizer.json (expected: a Hugging Face model folder)");
    }
    try {
      // From its bytes: given a path the library would also obey tokenizer_config.json.
      return new Tokenizer(
          HuggingFaceTokenizer.newInstance(
              new ByteArrayInputStream(Files.readAllBytes(file)),
              Map.of("truncation", "do_not_truncate", "padding", "do_not_pad")));
    } catch (IOException | RuntimeException e) {
      throw Refusal.run(
          file + ": is not a tokenizer that can be read: " + firstLine(e.getMessage()), e);
    }
  }

  /**
   * The ids of a text, special tokens included, not padded.
   *
   * @param maxTokens the text's end is cut off so that no more than this many tokens remain,
   *     special ones counted; at least the number of special ones
   */
  public int[] encode(String text, int maxTokens) {
    if (maxTokens < leading + trailing) {
      throw new IllegalArgumentException(
          "maxTokens: %d (expected: >= %d)".formatted(maxTokens, leading + trailing));
    }
    long[] ids = ids(wellFormed(text), true);
    int kept = Math.min(ids.length, maxTokens);
    int[] cut = new int[kept];
    for (int at = 0; at < kept; at++) {
      int fromEnd = kept - at;
      cut[at] = (int) (fromEnd <= trailing ? ids[ids.length - fromEnd] : ids[at]);
    }
    return cut;
  }

  /**
   * The ids of a pair. An empty second text is none, as in transformers.
   *
   * @param maxTokens of both with the special ones
   */
  public TokenPair encodePair(String first, String second, int maxTokens, PairCut cut) {
    if (second.isEmpty()) {
      int[] alone = encode(first, maxTokens);
      return new TokenPair(alone, alone.length);
    }
    return pair(ids(wellFormed(first), false), ids(wellFormed(second), false), maxTokens, cut);
  }

  /**
   * The ids of a query and a passage, as FlagEmbedding's reranker takes them: the query cut by
   * itself, the passage then so that both fit. An empty passage has its place in the pair.
   *
   * @param maxQueryTokens of the query without special ones
   * @param maxTokens of both with the special ones
   */
  public TokenPair encodePair(String query, String passage, int maxQueryTokens, int maxTokens) {
    long[] own = ids(wellFormed(query), false);
    return pair(
        Arrays.copyOf(own, Math.min(own.length, maxQueryTokens)),
        ids(wellFormed(passage), false),
        maxTokens,
        PairCut.ONLY_SECOND);
  }

  /** Tokens that a text has without its own. */
  public int specials() {
    return leading + trailing;
  }

  /** Tokens that a pair has without its texts. */
  public int pairSpecials() {
    return pairLeading.length + pairMiddle.length + pairTrailing.length;
  }

  private TokenPair pair(long[] first, long[] second, int maxTokens, PairCut cut) {
    int most = maxTokens - pairSpecials();
    if (most < 0) {
      throw new IllegalArgumentException(
          "maxTokens: %d (expected: >= %d)".formatted(maxTokens, pairSpecials()));
    }
    int kept = cut.first(first.length, second.length, most);
    int[] ids =
        Stream.of(
                pairLeading,
                Arrays.copyOf(first, kept),
                pairMiddle,
                Arrays.copyOf(second, Math.min(second.length, most - kept)),
                pairTrailing)
            .flatMapToLong(Arrays::stream)
            .mapToInt(Math::toIntExact)
            .toArray();
    return new TokenPair(ids, pairLeading.length + kept + pairMiddle.length);
  }

  @Override
  public void close() {
    life.writeLock().lock();
    try {
      closed = true;
      tokenizer.close();
    } finally {
      life.writeLock().unlock();
    }
  }

  private long[] ids(String text, boolean special) {
    life.readLock().lock();
    try {
      if (closed) {
        throw new IllegalStateException("a text was encoded after its tokenizer was closed");
      }
      Encoding encoding = tokenizer.encode(text, special, false);
      return encoding.getIds();
    } finally {
      life.readLock().unlock();
    }
  }

  /** Half a surrogate pair is no character, and no library takes it: it becomes U+FFFD. */
  private static String wellFormed(String text) {
    char[] chars = null;
    for (int at = 0; at < text.length(); at++) {
      char here = text.charAt(at);
      if (Character.isHighSurrogate(here)
          && at + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(at + 1))) {
        at++;
      } else if (Character.isSurrogate(here)) {
        chars = chars == null ? text.toCharArray() : chars;
        chars[at] = '\uFFFD';
      }
    }
    return chars == null ? text : new String(chars);
  }

  private static int run(long[] special, int from, int by) {
    int length = 0;
    for (int at = from; at >= 0 && at < special.length && special[at] == 1; at += by) {
      length++;
    }
    return length;
  }

  private static String firstLine(String message) {
    return message == null ? "no reason given" : message.lines().findFirst().orElse("");
  }
}
