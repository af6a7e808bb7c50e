package org.dunlin.worker.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.worker.engine.Torch;

/**
 * What a slot, or a sum of slots, gives back to the embeddings of all passages of the step.
 *
 * @param dense [passages, width]
 * @param heads where there are heads: of lexical weights [tokens] and token vectors [vectors,
 *     width]; else empty
 */
public record PassageGradients(NDArray dense, List<NDArray> heads) {

  static PassageGradients zeros(NDManager manager, Places places) {
    int rows = places.rows();
    List<NDArray> heads =
        places.unified()
            ? List.of(
                manager.zeros(new Shape(places.lexical(rows))),
                manager.zeros(new Shape(places.vector(rows), places.vectorWidth())))
            : List.of();
    return new PassageGradients(manager.zeros(new Shape(rows, places.denseWidth())), heads);
  }

  /** The sum, in place of the left one; the right one is closed. */
  public static PassageGradients add(PassageGradients left, PassageGradients right) {
    for (int i = 0; i < left.all().size(); i++) {
      left.all().get(i).addi(right.all().get(i));
      right.all().get(i).close();
    }
    return left;
  }

  /** As floats, the dense ones first; good while the arrays are open. */
  public List<FloatBuffer> values() {
    return all().stream().map(Torch::floats).toList();
  }

  private List<NDArray> all() {
    List<NDArray> all = new ArrayList<>(List.of(dense));
    all.addAll(heads);
    return all;
  }
}
