package org.dunlin.conf.evaluate;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dunlin.worker.evaluate.RetrievalMetrics;

/**
 * What a model is measured by, as it is typed: the figures of a retrieval test, each 0 to 1, where
 * greater is better, and the {@linkplain DevLoss loss}.
 */
public enum Metric {
  NDCG_10("ndcg@10"),
  GRADED_NDCG_10("graded-ndcg@10"),
  HIT_1("hit@1"),
  HIT_10("hit@10"),
  RECALL_100("recall@100"),
  MRR_10("mrr@10"),
  LOSS("loss");

  private final String word;

  Metric(String word) {
    this.word = word;
  }

  private double of(RetrievalMetrics metrics) {
    return switch (this) {
      case NDCG_10 -> metrics.ndcg10();
      case GRADED_NDCG_10 -> metrics.gradedNdcg10();
      case HIT_1 -> metrics.hit1();
      case HIT_10 -> metrics.hit10();
      case RECALL_100 -> metrics.recall100();
      case MRR_10 -> metrics.mrr10();
      case LOSS -> throw new IllegalArgumentException("a retrieval test has no loss");
    };
  }

  @Override
  public String toString() {
    return word;
  }

  /** By its word. */
  public static Metric of(String word) {
    return Arrays.stream(values()).filter(one -> one.word.equals(word)).findFirst().orElseThrow();
  }

  /** A figure of it as a number of which greater is better. */
  public double score(double figure) {
    return this == LOSS ? -figure : figure;
  }

  /** All words. */
  public static String[] words() {
    return Arrays.stream(values()).map(Metric::toString).toArray(String[]::new);
  }

  /** All figures of a retrieval test, by word. */
  public static Map<String, Double> figures(RetrievalMetrics metrics) {
    Map<String, Double> figures = new LinkedHashMap<>();
    for (Metric metric : EnumSet.complementOf(EnumSet.of(LOSS))) {
      figures.put(metric.word, metric.of(metrics));
    }
    return figures;
  }
}
