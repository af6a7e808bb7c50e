package org.dunlin.data.samples;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * One row of the training data: a query, what answers it and what does not. Immutable.
 *
 * @param id the row's number, counted through all files from 0
 * @param query the text that is searched with
 * @param positives texts that answer it, at least one
 * @param negatives texts that do not; may be empty
 * @param positiveScores a teacher's, one a positive; anything else means that the row has none
 * @param negativeScores a teacher's, one a negative
 * @param prompt takes the place of the query's instruction
 * @param type what kind of task it is
 * @param batchSize queries of a batch, for each device
 * @param groupSize passages of a query
 */
public record Sample(
    long id,
    String query,
    List<String> positives,
    List<String> negatives,
    List<Double> positiveScores,
    List<Double> negativeScores,
    Optional<String> prompt,
    Optional<String> type,
    OptionalInt batchSize,
    OptionalInt groupSize) {

  public Sample {
    positives = List.copyOf(positives);
    negatives = List.copyOf(negatives);
    positiveScores = List.copyOf(positiveScores);
    negativeScores = List.copyOf(negativeScores);
    if (positives.isEmpty()) {
      throw new IllegalArgumentException("sample " + id + ": no positive (expected: at least one)");
    }
  }

  /** A row with nothing but texts. */
  public Sample(long id, String query, List<String> positives, List<String> negatives) {
    this(
        id,
        query,
        positives,
        negatives,
        List.of(),
        List.of(),
        Optional.empty(),
        Optional.empty(),
        OptionalInt.empty(),
        OptionalInt.empty());
  }

  /** Whether the row has no teacher scores at all. */
  boolean isUnscored() {
    return positiveScores.isEmpty() && negativeScores.isEmpty();
  }

  /** What is wrong with its teacher scores, if they cannot be used. */
  Optional<String> scoresFault() {
    return fault("pos", positives.size(), positiveScores)
        .or(() -> fault("neg", negatives.size(), negativeScores));
  }

  private static Optional<String> fault(String key, int texts, List<Double> scores) {
    String expected = " (expected: %d, a finite number for each %s)".formatted(texts, key);
    if (scores.isEmpty() && texts > 0) {
      return Optional.of("lacks " + key + "_scores" + expected);
    }
    if (scores.size() != texts) {
      return Optional.of("%s_scores has %d values%s".formatted(key, scores.size(), expected));
    }
    return scores.stream().allMatch(Double::isFinite)
        ? Optional.empty()
        : Optional.of(key + "_scores has a value that is no number" + expected);
  }
}
