package org.dunlin.worker.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/** Max-sim of token vectors, in blocks of some queries and some passages. */
final class VectorScorer implements Scorer {
  /** Padded vectors of a block's queries and passages: their products are 16 MiB at most. */
  private static final int QUERY_VECTORS = 1 << 10;

  private static final int PASSAGE_VECTORS = 1 << 12;

  private final NDArray scale;
  private final Embeddings queries;
  private final NDArray queryVectors;
  private final Places passages;
  private final NDArray passageVectors;
  private final long[] floors;
  private final NDArray ofQueries;
  private final NDArray ofPassages;

  /**
   * @param queryVectors [vectors, width], those of all queries of the slot
   * @param passageVectors the same of all passages of the step
   * @param floors by passage: 1 where a product below 0 counts as 0
   * @param ofQueries gradients of {@code queryVectors}, added to
   * @param ofPassages gradients of {@code passageVectors}, added to
   */
  VectorScorer(
      NDArray scale,
      Embeddings queries,
      NDArray queryVectors,
      Places passages,
      NDArray passageVectors,
      long[] floors,
      NDArray ofQueries,
      NDArray ofPassages) {
    this.scale = scale;
    this.queries = queries;
    this.queryVectors = queryVectors;
    this.passages = passages;
    this.passageVectors = passageVectors;
    this.floors = floors;
    this.ofQueries = ofQueries;
    this.ofPassages = ofPassages;
  }

  private interface Block {
    void take(NDManager scope, int firstRow, int endRow, int from, int to);
  }

  @Override
  public List<NDArray> scores(Module module, NDManager scope, Tile tile) {
    FloatBuffer scores = FloatBuffer.allocate(tile.rows() * tile.passages());
    forBlocks(
        scope,
        tile,
        (inner, firstRow, endRow, from, to) -> {
          NDArray[] arguments = arguments(inner, firstRow, endRow, from, to, 0);
          FloatBuffer part = Torch.floats(module.run("vector_scores", inner, arguments).get(0));
          for (int row = firstRow; row < endRow; row++) {
            int at = (row - tile.firstRow()) * tile.passages() + from - tile.firstPassage();
            scores.put(at, part, (row - firstRow) * (to - from), to - from);
          }
        });
    return List.of(scope.create(scores, new Shape(tile.rows(), tile.passages())));
  }

  @Override
  public void gradients(Module module, NDManager scope, Tile tile, List<NDArray> upstream) {
    FloatBuffer given = Torch.floats(upstream.get(0));
    Torch.recordGraph(true);
    try {
      forBlocks(
          scope,
          tile,
          (inner, firstRow, endRow, from, to) -> {
            NDArray[] arguments = arguments(inner, firstRow, endRow, from, to, 3);
            arguments[7] = tile.block(inner, given, firstRow, endRow, from, to);
            arguments[8] = ofQueries;
            arguments[9] = ofPassages;
            module.run("vector_gradients", inner, arguments);
          });
    } finally {
      Torch.recordGraph(false);
    }
  }

  private void forBlocks(NDManager scope, Tile tile, Block block) {
    Places own = queries.places();
    for (int row = tile.firstRow(); row < tile.endRow(); ) {
      int endRow = end(own, row, tile.endRow(), QUERY_VECTORS);
      for (int from = tile.firstPassage(); from < tile.endPassage(); ) {
        int to = end(passages, from, tile.endPassage(), PASSAGE_VECTORS);
        try (NDManager inner = scope.newSubManager()) {
          block.take(inner, row, endRow, from, to);
        }
        from = to;
      }
      row = endRow;
    }
  }

  /** As many texts as fit, padded to the longest of them; at least one. */
  private static int end(Places texts, int first, int most, int vectors) {
    int longest = texts.vectors(first);
    int end = first + 1;
    while (end < most && (end + 1 - first) * Math.max(longest, texts.vectors(end)) <= vectors) {
      longest = Math.max(longest, texts.vectors(end++));
    }
    return end;
  }

  private NDArray[] arguments(
      NDManager scope, int firstRow, int endRow, int from, int to, int more) {
    float[] counts = new float[endRow - firstRow];
    for (int row = firstRow; row < endRow; row++) {
      counts[row - firstRow] = Math.max(1, queries.places().vectors(row));
    }
    NDArray[] arguments = new NDArray[7 + more];
    arguments[0] = scale;
    arguments[1] = scope.create(counts);
    arguments[2] = places(scope, queries.places(), firstRow, endRow);
    arguments[3] = places(scope, passages, from, to);
    arguments[4] = scope.create(Arrays.copyOfRange(floors, from, to));
    arguments[5] = queryVectors;
    arguments[6] = passageVectors;
    return arguments;
  }

  /** Numbers of some texts' vectors, each text padded with -1 to the longest. */
  private static NDArray places(NDManager scope, Places texts, int first, int end) {
    int longest = 1;
    for (int row = first; row < end; row++) {
      longest = Math.max(longest, texts.vectors(row));
    }
    long[] places = new long[(end - first) * longest];
    Arrays.fill(places, -1);
    for (int row = first; row < end; row++) {
      for (int v = 0; v < texts.vectors(row); v++) {
        places[(row - first) * longest + v] = (long) texts.vector(row) + v;
      }
    }
    return scope.create(places, new Shape(end - first, longest));
  }
}
