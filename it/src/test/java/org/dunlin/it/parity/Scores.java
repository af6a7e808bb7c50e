package org.dunlin.it.parity;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.dunlin.worker.loss.ScoreWatch;

/** The score matrices of a step, collected row by row. */
final class Scores implements ScoreWatch {
  private static final String[] HEADS = {"dense", "sparse", "colbert"};

  private record Row(int firstPassage, float[] scores) {}

  private final Map<Integer, Map<Integer, Row>> byHead = new ConcurrentHashMap<>();

  @Override
  public void scores(int head, int firstQuery, int firstPassage, float[][] scores) {
    Map<Integer, Row> rows = byHead.computeIfAbsent(head, h -> new ConcurrentHashMap<>());
    for (int r = 0; r < scores.length; r++) {
      rows.put(firstQuery + r, new Row(firstPassage, scores[r]));
    }
  }

  /**
   * The largest difference from what was recorded, which may be the own groups' columns only.
   *
   * @param recorded by head, [query][passage]
   */
  double worst(JsonNode recorded, int groupSize, boolean inBatch) {
    if (recorded.path("dense").isEmpty()) {
      throw new IllegalStateException("no scores are recorded");
    }
    double worst = 0;
    for (int head = 0; head < HEADS.length; head++) {
      if (recorded.has(HEADS[head])) {
        int number = head;
        JsonNode matrix = recorded.path(HEADS[head]);
        double ofHead = worst(matrix, groupSize, inBatch, (query, p) -> of(number, query, p));
        worst = Math.max(worst, ofHead);
      }
    }
    JsonNode ensemble = recorded.path("ensemble");
    double ofEnsemble =
        worst(
            ensemble,
            groupSize,
            inBatch,
            (query, p) -> of(0, query, p) + 0.3 * of(1, query, p) + of(2, query, p));
    return Math.max(worst, ofEnsemble);
  }

  private interface Score {
    double of(int query, int passage);
  }

  private static double worst(JsonNode matrix, int groupSize, boolean inBatch, Score score) {
    double worst = 0;
    for (int query = 0; query < matrix.size(); query++) {
      JsonNode row = matrix.get(query);
      for (int p = 0; p < row.size(); p++) {
        int passage = row.size() == groupSize ? query * groupSize + p : p;
        // Without in-batch negatives no product is made of the others.
        if (inBatch || passage / groupSize == query) {
          double error = Math.abs(score.of(query, passage) - row.get(p).asDouble());
          worst = Math.max(worst, error);
        }
      }
    }
    return worst;
  }

  private double of(int head, int query, int passage) {
    Row row = byHead.get(head).get(query);
    return row.scores()[passage - row.firstPassage()];
  }
}
