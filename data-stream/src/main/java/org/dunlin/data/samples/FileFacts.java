package org.dunlin.data.samples;

import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a file's rows say of the whole file. Lines are numbered from 1.
 *
 * @param first the first row's keys; those that hold for a file are taken from it
 * @param firstLine where it is; 0 in a file without rows
 * @param otherType the first row whose type is not the first's
 * @param otherSizes rows whose batch or group size is not the first's
 * @param lineWithoutNegatives the first row that has none
 * @param unscored rows without teacher scores
 * @param scoresFault what is wrong with the first row whose scores cannot be used, with its line
 * @param leastScore of all that can be used; infinite without any
 * @param greatestScore of all that can be used
 */
public record FileFacts(
    FirstRow first,
    long firstLine,
    Optional<String> otherType,
    int otherSizes,
    Optional<Long> lineWithoutNegatives,
    int unscored,
    Optional<String> scoresFault,
    double leastScore,
    double greatestScore) {

  /** The keys of a first row that hold for its file. */
  public record FirstRow(
      Optional<String> type, OptionalInt batchSize, OptionalInt groupSize, int negatives) {
    static final FirstRow NONE =
        new FirstRow(Optional.empty(), OptionalInt.empty(), OptionalInt.empty(), 0);
  }

  /** Whether any row has scores in 0 to 1 and none has others. */
  public boolean isNormalised() {
    return leastScore >= 0 && greatestScore <= 1 && leastScore <= greatestScore;
  }

  /** Gathers them, row by row. */
  static final class Scan {
    private FirstRow first = FirstRow.NONE;
    private long firstLine;
    private Optional<String> otherType = Optional.empty();
    private int otherSizes;
    private Optional<Long> lineWithoutNegatives = Optional.empty();
    private int unscored;
    private Optional<String> scoresFault = Optional.empty();
    private double leastScore = Double.POSITIVE_INFINITY;
    private double greatestScore = Double.NEGATIVE_INFINITY;

    void add(long line, Sample row) {
      if (firstLine == 0) {
        firstLine = line;
        first = new FirstRow(row.type(), row.batchSize(), row.groupSize(), row.negatives().size());
      }
      if (otherType.isEmpty() && !row.type().equals(first.type())) {
        otherType =
            Optional.of(
                "line %d: type %s (expected: %s, as in line %d)"
                    .formatted(line, shown(row.type()), shown(first.type()), firstLine));
      }
      boolean same =
          row.batchSize().equals(first.batchSize()) && row.groupSize().equals(first.groupSize());
      otherSizes += same ? 0 : 1;
      if (row.negatives().isEmpty() && lineWithoutNegatives.isEmpty()) {
        lineWithoutNegatives = Optional.of(line);
      }
      scores(line, row);
    }

    private void scores(long line, Sample row) {
      Optional<String> fault = row.scoresFault();
      unscored += row.isUnscored() ? 1 : 0;
      if (fault.isPresent()) {
        scoresFault = scoresFault.or(() -> fault.map(what -> "line " + line + ": " + what));
        return;
      }
      row.positiveScores().forEach(this::score);
      row.negativeScores().forEach(this::score);
    }

    private void score(double score) {
      leastScore = Math.min(leastScore, score);
      greatestScore = Math.max(greatestScore, score);
    }

    private static String shown(Optional<String> type) {
      return type.map(word -> "'" + word + "'").orElse("missing");
    }

    FileFacts facts() {
      return new FileFacts(
          first,
          firstLine,
          otherType,
          otherSizes,
          lineWithoutNegatives,
          unscored,
          scoresFault,
          leastScore,
          greatestScore);
    }
  }
}
