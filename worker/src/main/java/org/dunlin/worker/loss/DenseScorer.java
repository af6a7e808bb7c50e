package org.dunlin.worker.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.List;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/** Products of dense embeddings, and of each of their matryoshka widths by itself. */
final class DenseScorer implements Scorer {
  /** Passages of one product: enough to run at full speed, whatever the width. */
  private static final int COLUMNS = 4096;

  private final NDArray scale;
  private final long[] views;
  private final Embeddings queries;
  private final NDArray passages;
  private final Embeddings ofQueries;
  private final NDArray ofPassages;

  /**
   * @param scale float64 [temperature]
   * @param views bounds of the views in an embedding's floats
   * @param passages [passages, width]
   * @param ofQueries where the queries' gradients are put
   * @param ofPassages where the passages' gradients are added
   */
  DenseScorer(
      NDArray scale,
      long[] views,
      Embeddings queries,
      NDArray passages,
      Embeddings ofQueries,
      NDArray ofPassages) {
    this.scale = scale;
    this.views = views;
    this.queries = queries;
    this.passages = passages;
    this.ofQueries = ofQueries;
    this.ofPassages = ofPassages;
  }

  @Override
  public List<NDArray> scores(Module module, NDManager scope, Tile tile) {
    return module.run("dense_scores", scope, arguments(scope, tile, 0));
  }

  @Override
  public void gradients(Module module, NDManager scope, Tile tile, List<NDArray> upstream) {
    NDArray[] arguments = arguments(scope, tile, 1 + upstream.size());
    arguments[5] = ofPassages;
    for (int v = 0; v < upstream.size(); v++) {
      arguments[6 + v] = Module.list("d", upstream.get(v));
    }
    NDList found = module.run("dense_gradients", scope, arguments);
    FloatBuffer values = Torch.floats(found.get(0));
    ofQueries.dense().put(ofQueries.places().dense(tile.firstRow()), values, 0, values.capacity());
  }

  private NDArray[] arguments(NDManager scope, Tile tile, int more) {
    int width = queries.places().denseWidth();
    NDArray[] arguments = new NDArray[5 + more];
    arguments[0] = scale;
    arguments[1] = scope.create(views);
    arguments[2] = scope.create(new long[] {tile.firstPassage(), tile.endPassage(), COLUMNS});
    arguments[3] =
        scope.create(
            queries.from(tile.firstRow(), tile.endRow()).dense(), new Shape(tile.rows(), width));
    arguments[4] = passages;
    return arguments;
  }
}
