package org.dunlin.data.wordnet;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import org.dunlin.data.retrieval.RetrievalSet;
import org.dunlin.protocol.Refusal;

/** What a model learns from WordNet, and how it is measured. */
public enum WordNetTask {
  /** From "term: definition" of a noun to the words for the kind of thing that it is. */
  CATEGORY("category"),
  /** From a definition to the words that it defines. */
  REVERSE_DICTIONARY("reverse-dictionary");

  /** Queries that a model is measured on. */
  static final int QUERIES = 1_000;

  private final String title;

  WordNetTask(String title) {
    this.title = title;
  }

  /** As a person writes it. */
  public String title() {
    return title;
  }

  /** The task of a {@link #title}. */
  public static WordNetTask of(String title) {
    for (WordNetTask task : values()) {
      if (task.title.equals(title)) {
        return task;
      }
    }
    throw Refusal.usage(
        "task: '"
            + title
            + "' (expected: "
            + CATEGORY.title
            + " or "
            + REVERSE_DICTIONARY.title
            + ")");
  }

  /** What to train on, in the database's order. */
  public List<TextPair> trainingPairs(WordNet wordNet) {
    return switch (this) {
      case CATEGORY -> new CategoryTask(wordNet).trainingPairs();
      case REVERSE_DICTIONARY -> new ReverseDictionaryTask(wordNet).trainingPairs();
    };
  }

  /** The held-out queries of a part and their documents. */
  public RetrievalSet heldOut(WordNet wordNet, Part part) {
    return switch (this) {
      case CATEGORY -> new CategoryTask(wordNet).heldOut(part);
      case REVERSE_DICTIONARY -> new ReverseDictionaryTask(wordNet).heldOut(part);
    };
  }

  /** Writes the training pairs, one {@code {"query": …, "pos": […]}} a line. */
  public void writeTraining(WordNet wordNet, Path file) throws IOException {
    ObjectMapper json = new ObjectMapper();
    try (BufferedWriter lines = Files.newBufferedWriter(file)) {
      for (TextPair pair : trainingPairs(wordNet)) {
        ObjectNode line = json.createObjectNode().put("query", pair.query());
        pair.positives().forEach(line.putArray("pos")::add);
        lines.write(json.writeValueAsString(line));
        lines.write('\n');
      }
    }
  }

  /** The queries among those that may be asked: a sample drawn by checksum. */
  static List<Synset> draw(List<Synset> candidates) {
    return candidates.stream()
        .sorted(Comparator.comparingLong(Synset::drawn))
        .limit(QUERIES)
        .toList();
  }
}
