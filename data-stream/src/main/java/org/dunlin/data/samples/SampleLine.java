package org.dunlin.data.samples;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Reads one line in FlagEmbedding's format: {@code query}, a string; {@code pos}, a list of at
 * least one string; {@code neg}, a list of strings that may be missing or null; and, if they are
 * there, {@code prompt}, {@code type}, {@code batch_size}, {@code train_group_size} and the
 * teacher's {@code pos_scores} and {@code neg_scores}. Other keys are passed over. Where a key
 * comes twice the last one counts, as in Python.
 */
final class SampleLine {
  /** No line is longer; a line without an end would otherwise fill the memory. */
  static final int MAX_BYTES = 64 << 20;

  // Python writes NaN and Infinity; they may stand in keys that are passed over.
  private static final JsonFactory JSON =
      JsonFactory.builder()
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
          .streamReadConstraints(StreamReadConstraints.builder().maxStringLength(MAX_BYTES).build())
          .build();

  private SampleLine() {}

  /** What is wrong with a line, to be said after its place. */
  static final class Fault extends Exception {
    private static final long serialVersionUID = 1L;

    Fault(String what) {
      super(what);
    }
  }

  static Sample parse(long id, byte[] bytes, int offset, int length) throws Fault {
    Fields row = new Fields();
    try (JsonParser json = JSON.createParser(bytes, offset, length)) {
      if (json.nextToken() != JsonToken.START_OBJECT) {
        throw new Fault(
            "is not a JSON object (expected: {\"query\": …, \"pos\": […]} on one line)");
      }
      while (json.nextToken() != JsonToken.END_OBJECT) {
        String key = json.currentName();
        json.nextToken();
        row.take(key, json);
      }
      if (json.nextToken() != null) {
        throw new Fault("goes on after its JSON object (expected: one object a line)");
      }
    } catch (JsonProcessingException e) {
      throw new Fault("is not JSON: " + e.getOriginalMessage().replace('\n', ' '));
    } catch (IOException e) {
      throw new Fault("is not JSON in UTF-8: " + e.getMessage());
    }
    if (row.query == null) {
      throw new Fault("lacks query (expected: a string)");
    }
    if (row.positives == null) {
      throw new Fault("lacks pos (expected: a list of strings)");
    }
    if (row.positives.isEmpty()) {
      throw new Fault("pos is empty (expected: at least one string)");
    }
    return row.sample(id);
  }

  /** The keys that were found so far. */
  private static final class Fields {
    private String query;
    private List<String> positives;
    private List<String> negatives = List.of();
    private List<Double> positiveScores = List.of();
    private List<Double> negativeScores = List.of();
    private Optional<String> prompt = Optional.empty();
    private Optional<String> type = Optional.empty();
    private OptionalInt batchSize = OptionalInt.empty();
    private OptionalInt groupSize = OptionalInt.empty();

    void take(String key, JsonParser json) throws IOException, Fault {
      boolean absent = json.currentToken() == JsonToken.VALUE_NULL;
      switch (key) {
        case "query" -> query = string(json, key);
        case "pos" -> positives = strings(json, key);
        case "neg" -> negatives = absent ? List.of() : strings(json, key);
        case "pos_scores" -> positiveScores = numbers(json);
        case "neg_scores" -> negativeScores = numbers(json);
        case "prompt" -> prompt = absent ? Optional.empty() : Optional.of(string(json, key));
        case "type" -> type = absent ? Optional.empty() : Optional.of(string(json, key));
        case "batch_size" -> batchSize = absent ? OptionalInt.empty() : count(json, key);
        case "train_group_size" -> groupSize = absent ? OptionalInt.empty() : count(json, key);
        default -> json.skipChildren();
      }
    }

    Sample sample(long id) {
      return new Sample(
          id,
          query,
          positives,
          negatives,
          positiveScores,
          negativeScores,
          prompt,
          type,
          batchSize,
          groupSize);
    }
  }

  private static OptionalInt count(JsonParser json, String key) throws IOException, Fault {
    if (json.currentToken() != JsonToken.VALUE_NUMBER_INT
        || !(json.getNumberValue() instanceof Integer value)
        || value < 1) {
      throw new Fault(key + " is " + json.getText() + " (expected: a whole number from 1)");
    }
    return OptionalInt.of(value);
  }

  /**
   * Scores; whether they fit their texts is nobody's business until a run distils. What is no list
   * counts as none, what is no number as NaN.
   */
  private static List<Double> numbers(JsonParser json) throws IOException {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      json.skipChildren();
      return List.of();
    }
    List<Double> numbers = new ArrayList<>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      boolean number = json.currentToken().isNumeric();
      numbers.add(number ? json.getDoubleValue() : Double.NaN);
      json.skipChildren();
    }
    return numbers;
  }

  private static String string(JsonParser json, String key) throws IOException, Fault {
    if (json.currentToken() != JsonToken.VALUE_STRING) {
      throw new Fault(key + " is " + kind(json.currentToken()) + " (expected: a string)");
    }
    return json.getText();
  }

  private static List<String> strings(JsonParser json, String key) throws IOException, Fault {
    if (json.currentToken() != JsonToken.START_ARRAY) {
      throw new Fault(key + " is " + kind(json.currentToken()) + " (expected: a list of strings)");
    }
    List<String> strings = new ArrayList<>();
    while (json.nextToken() != JsonToken.END_ARRAY) {
      strings.add(string(json, key + "[" + strings.size() + "]"));
    }
    return strings;
  }

  private static String kind(JsonToken token) {
    return switch (token) {
      case START_OBJECT -> "an object";
      case START_ARRAY -> "a list";
      case VALUE_STRING -> "a string";
      case VALUE_NULL -> "null";
      case VALUE_TRUE, VALUE_FALSE -> "a truth value";
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> "a number";
      case NOT_AVAILABLE, END_OBJECT, END_ARRAY, FIELD_NAME, VALUE_EMBEDDED_OBJECT -> "not a value";
    };
  }
}
