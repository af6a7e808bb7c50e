package org.dunlin.worker.loss;

/** Is shown score matrices as they are computed, by any compute thread. */
public interface ScoreWatch {
  /**
   * Some queries' scores, divided by the temperature.
   *
   * @param head 0 = dense (or the first matryoshka width), 1 = sparse, 2 = multi-vector
   * @param firstQuery of the step
   * @param firstPassage of the step
   * @param scores {@code [queries][passages]}
   */
  void scores(int head, int firstQuery, int firstPassage, float[][] scores);
}
