package org.dunlin.worker.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import org.dunlin.worker.engine.Module;

/** One head's scores of a slot's queries, and the gradients that go back through them. */
interface Scorer {
  /**
   * Scores divided by the temperature, a matrix [rows, passages] for each view of the head.
   *
   * @param scope owns them
   */
  List<NDArray> scores(Module module, NDManager scope, Tile tile);

  /** Adds to the queries' and the passages' gradients what the matrices' gradients give. */
  void gradients(Module module, NDManager scope, Tile tile, List<NDArray> upstream);
}
