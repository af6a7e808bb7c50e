package org.dunlin.data.retrieval;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Refusal;

/**
 * A retrieval test in three files, as BEIR and FlagEmbedding have them: a corpus and queries, an
 * object of JSON a line with {@code _id} or {@code id}, {@code text} and, for documents, perhaps a
 * {@code title}; and judgements, either JSON ({@code qid}, {@code docid}, {@code relevance}) or
 * three columns between tabs (query, document, grade) below a heading.
 *
 * <p>Queries without a relevant document, and judgements of queries that are not there, are left
 * out.
 */
public record RetrievalFiles(Path corpus, Path queries, Path qrels) {
  /** More than fits into memory is a slip of the hand. */
  private static final int MOST_LINES = 20_000_000;

  private static final ObjectMapper JSON = new ObjectMapper();

  /** A line that is read: its number, from 1, and its text. */
  private interface Line {
    void read(int number, String text);
  }

  /** Reads them; what is missing or does not fit is a {@link Refusal} that names file and line. */
  public RetrievalSet read() {
    Map<String, Integer> places = new HashMap<>();
    List<String> documents = new ArrayList<>();
    forLines(
        corpus,
        (number, text) -> {
          JsonNode json = parsed(corpus, number, text);
          if (places.put(id(corpus, number, json), documents.size()) != null) {
            throw broken(corpus, number, "has an id that an earlier line has (expected: another)");
          }
          String title = json.path("title").asText("");
          String body = text(corpus, number, json);
          documents.add(title.isEmpty() ? body : title + " " + body);
        });
    Map<String, String> texts = new LinkedHashMap<>();
    forLines(
        queries,
        (number, text) -> {
          JsonNode json = parsed(queries, number, text);
          if (texts.put(id(queries, number, json), text(queries, number, json)) != null) {
            throw broken(queries, number, "has an id that an earlier line has (expected: another)");
          }
        });
    Map<String, Map<Integer, Integer>> grades = new HashMap<>();
    forLines(qrels, (number, text) -> judge(number, text, places, texts, grades));
    List<String> kept = new ArrayList<>();
    List<Map<Integer, Integer>> relevances = new ArrayList<>();
    texts.forEach(
        (id, text) -> {
          if (grades.containsKey(id)) {
            kept.add(text);
            relevances.add(grades.get(id));
          }
        });
    if (kept.isEmpty()) {
      throw Refusal.run(
          "%s: judges none of the %d queries in %s (expected: at least one relevant document)"
              .formatted(qrels, texts.size(), queries));
    }
    return new RetrievalSet(kept, documents, relevances);
  }

  private void judge(
      int number,
      String line,
      Map<String, Integer> places,
      Map<String, String> texts,
      Map<String, Map<Integer, Integer>> grades) {
    String query;
    String document;
    String grade;
    if (line.startsWith("{")) {
      JsonNode json = parsed(qrels, number, line);
      query = first(json, "qid", "query-id").asText("");
      document = first(json, "docid", "corpus-id").asText("");
      grade = first(json, "relevance", "score").asText("1");
    } else {
      String[] columns = line.split("\t", -1);
      if (columns.length != 3) {
        throw broken(
            qrels,
            number,
            "has %d columns (expected: 3 between tabs, or JSON)".formatted(columns.length));
      }
      query = columns[0];
      document = columns[1];
      grade = columns[2].strip();
      if (number == 1 && !grade.matches("-?\\d+")) {
        return; // the heading
      }
    }
    if (!grade.matches("-?\\d{1,9}")) {
      throw broken(
          qrels, number, "has a grade of '%s' (expected: a whole number)".formatted(grade));
    }
    if (!texts.containsKey(query) || Integer.parseInt(grade) < 1) {
      return;
    }
    Integer place = places.get(document);
    if (place == null) {
      throw broken(
          qrels, number, "names document '%s' (expected: one in %s)".formatted(document, corpus));
    }
    grades.computeIfAbsent(query, id -> new HashMap<>()).put(place, Integer.parseInt(grade));
  }

  /** The SHA-256 of all their bytes. */
  public String sha256() {
    MessageDigest all = Sha256.digest();
    for (Path file : List.of(corpus, queries, qrels)) {
      try {
        all.update(HexFormat.of().parseHex(Sha256.of(file)));
      } catch (IOException e) {
        throw unreadable(file, e);
      }
    }
    return HexFormat.of().formatHex(all.digest());
  }

  private static void forLines(Path file, Line line) {
    try (BufferedReader lines = Files.newBufferedReader(file)) {
      int number = 0;
      for (String text = lines.readLine(); text != null; text = lines.readLine()) {
        number++;
        if (number > MOST_LINES) {
          throw broken(file, number, "is too many (expected: at most %d)".formatted(MOST_LINES));
        }
        if (!text.isBlank()) {
          line.read(number, text);
        }
      }
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  private static Refusal unreadable(Path file, IOException e) {
    if (e instanceof NoSuchFileException) {
      return Refusal.usage(file + ": no such file (expected: a file of a retrieval test)");
    }
    if (e instanceof CharacterCodingException) {
      return Refusal.run(file + ": is not UTF-8 (expected: UTF-8)", e);
    }
    return Refusal.run(file + ": cannot be read: " + e.getMessage(), e);
  }

  private static JsonNode parsed(Path file, int number, String line) {
    try {
      JsonNode json = JSON.readTree(line);
      if (json.isObject()) {
        return json;
      }
    } catch (JsonProcessingException e) {
      // No object either.
    }
    throw broken(file, number, "is no object of JSON (expected: one a line)");
  }

  private static String id(Path file, int number, JsonNode json) {
    String id = first(json, "_id", "id").asText("");
    if (id.isEmpty()) {
      throw broken(file, number, "has no id (expected: _id or id)");
    }
    return id;
  }

  private static String text(Path file, int number, JsonNode json) {
    if (!json.path("text").isTextual()) {
      throw broken(file, number, "has no text (expected: text)");
    }
    return json.path("text").asText();
  }

  private static JsonNode first(JsonNode json, String key, String otherwise) {
    return json.has(key) ? json.path(key) : json.path(otherwise);
  }

  private static Refusal broken(Path file, int number, String what) {
    return Refusal.run("%s, line %d: %s".formatted(file, number, what));
  }
}
