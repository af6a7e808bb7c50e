package org.dunlin.data.wordnet;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.zip.CRC32;

/**
 * A meaning and the words for it.
 *
 * @param key its file's letter (n, v, a, r) and its offset in that file
 * @param lemmas words or phrases for it, at least one, spaces instead of underscores
 * @param definition the gloss before its first quoted example
 * @param instance whether it is a single thing, as Paris is, and not a kind of thing
 * @param pointers to other synsets, in the database's order
 */
record Synset(
    String key, List<String> lemmas, String definition, boolean instance, List<Pointer> pointers) {

  /** A relation as WordNet writes it ({@code @} hypernym, {@code ~} hyponym) and its target. */
  record Pointer(String symbol, String target) {}

  private static final int BUCKETS = 100;

  Synset {
    lemmas = List.copyOf(lemmas);
    pointers = List.copyOf(pointers);
  }

  boolean isNoun() {
    return key.charAt(0) == 'n';
  }

  /** The part of the data that it belongs to, 0 to 99. */
  int bucket() {
    return (int) (crc32(key) % BUCKETS);
  }

  /** Its place among the queries that may be drawn; the smallest are. */
  long drawn() {
    return crc32("q" + key);
  }

  /** No proper name: names are things to know, not meanings to understand. */
  boolean isLowerCase() {
    return lemmas.stream()
        .allMatch(lemma -> lemma.equals(lemma.toLowerCase(java.util.Locale.ROOT)));
  }

  private static long crc32(String text) {
    CRC32 crc = new CRC32();
    crc.update(text.getBytes(StandardCharsets.UTF_8));
    return crc.getValue();
  }
}
