package org.dunlin.worker.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/**
 * Sums of products of the weights that two texts give to the same token ids. A tile's queries have
 * few ids: over those, and not over the vocabulary, both sides are matrices.
 */
final class LexicalScorer implements Scorer {
  /** Most floats of the passages' matrix: 4 MiB. */
  private static final int MATRIX_FLOATS = 1 << 20;

  private static final int MOST_PASSAGES = 256;

  private final NDArray scale;
  private final Embeddings queries;
  private final Embeddings passages;
  private final Embeddings ofQueries;
  private final FloatBuffer ofPassages;
  private final int[] columnOf; // by token id, -1 where no query of the tile has it
  private int[] ids = {};

  /**
   * @param ofPassages gradients of the passages' weights, added to
   */
  LexicalScorer(
      NDArray scale,
      int vocabulary,
      Embeddings queries,
      Embeddings passages,
      Embeddings ofQueries,
      FloatBuffer ofPassages) {
    this.scale = scale;
    this.queries = queries;
    this.passages = passages;
    this.ofQueries = ofQueries;
    this.ofPassages = ofPassages;
    this.columnOf = new int[vocabulary];
    Arrays.fill(columnOf, -1);
  }

  @Override
  public List<NDArray> scores(Module module, NDManager scope, Tile tile) {
    setColumns(tile);
    FloatBuffer scores = FloatBuffer.allocate(tile.rows() * tile.passages());
    if (ids.length > 0) {
      NDArray own = matrix(scope, queries, tile.firstRow(), tile.endRow());
      for (int from = tile.firstPassage(); from < tile.endPassage(); from += step()) {
        int to = Math.min(from + step(), tile.endPassage());
        try (NDManager inner = scope.newSubManager()) {
          NDArray[] arguments = arguments(inner, own, matrix(inner, passages, from, to), 0);
          FloatBuffer part = Torch.floats(module.run("dense_scores", inner, arguments).get(0));
          for (int row = 0; row < tile.rows(); row++) {
            int at = row * tile.passages() + from - tile.firstPassage();
            scores.put(at, part, row * (to - from), to - from);
          }
        }
      }
    }
    return List.of(scope.create(scores, new Shape(tile.rows(), tile.passages())));
  }

  @Override
  public void gradients(Module module, NDManager scope, Tile tile, List<NDArray> upstream) {
    setColumns(tile);
    if (ids.length == 0) {
      return;
    }
    FloatBuffer given = Torch.floats(upstream.get(0));
    NDArray own = matrix(scope, queries, tile.firstRow(), tile.endRow());
    for (int from = tile.firstPassage(); from < tile.endPassage(); from += step()) {
      int to = Math.min(from + step(), tile.endPassage());
      try (NDManager inner = scope.newSubManager()) {
        NDArray into = inner.zeros(new Shape(to - from, ids.length));
        NDArray[] arguments = arguments(inner, own, matrix(inner, passages, from, to), 2);
        arguments[5] = into;
        arguments[6] =
            Module.list("d", tile.block(inner, given, tile.firstRow(), tile.endRow(), from, to));
        NDList found = module.run("dense_gradients", inner, arguments);
        add(
            Torch.floats(found.get(0)),
            queries,
            tile.firstRow(),
            tile.endRow(),
            ofQueries.weights());
        add(Torch.floats(into), passages, from, to, ofPassages);
      }
    }
  }

  private int step() {
    return Math.max(1, Math.min(MOST_PASSAGES, MATRIX_FLOATS / ids.length));
  }

  private void setColumns(Tile tile) {
    for (int id : ids) {
      columnOf[id] = -1;
    }
    FloatBuffer own = queries.from(tile.firstRow(), tile.endRow()).ids();
    ids =
        IntStream.range(0, own.capacity())
            .map(i -> (int) own.get(i))
            .filter(id -> id >= 0)
            .sorted()
            .distinct()
            .toArray();
    for (int column = 0; column < ids.length; column++) {
      columnOf[ids[column]] = column;
    }
  }

  private NDArray matrix(NDManager scope, Embeddings texts, int first, int end) {
    float[] values = new float[(end - first) * ids.length];
    Places places = texts.places();
    for (int row = first; row < end; row++) {
      for (int t = places.lexical(row); t < places.lexical(row + 1); t++) {
        int column = column(texts, t);
        if (column >= 0) {
          values[(row - first) * ids.length + column] = texts.weights().get(t);
        }
      }
    }
    return scope.create(values, new Shape(end - first, ids.length));
  }

  private void add(FloatBuffer gradients, Embeddings texts, int first, int end, FloatBuffer into) {
    Places places = texts.places();
    for (int row = first; row < end; row++) {
      for (int t = places.lexical(row); t < places.lexical(row + 1); t++) {
        int column = column(texts, t);
        if (column >= 0) {
          into.put(t, into.get(t) + gradients.get((row - first) * ids.length + column));
        }
      }
    }
  }

  private int column(Embeddings texts, int token) {
    int id = (int) texts.ids().get(token);
    return id < 0 ? -1 : columnOf[id];
  }

  private NDArray[] arguments(NDManager scope, NDArray own, NDArray others, int more) {
    NDArray[] arguments = new NDArray[5 + more];
    long rows = others.getShape().get(0);
    arguments[0] = scale;
    arguments[1] = scope.create(new long[] {0, ids.length});
    arguments[2] = scope.create(new long[] {0, rows, rows});
    arguments[3] = own;
    arguments[4] = others;
    return arguments;
  }
}
