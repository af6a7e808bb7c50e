package org.dunlin.data.samples;

import java.util.List;

/**
 * One row of the training data: a query, what answers it and what does not. Immutable.
 *
 * @param id the row's number, counted through all files from 0
 * @param query the text that is searched with
 * @param positives texts that answer it, at least one
 * @param negatives texts that do not; may be empty
 */
public record Sample(long id, String query, List<String> positives, List<String> negatives) {

  public Sample {
    positives = List.copyOf(positives);
    negatives = List.copyOf(negatives);
    if (positives.isEmpty()) {
      throw new IllegalArgumentException("sample " + id + ": no positive (expected: at least one)");
    }
  }
}
