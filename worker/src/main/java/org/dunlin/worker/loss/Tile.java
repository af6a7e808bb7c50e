package org.dunlin.worker.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;

/**
 * Some of a slot's queries, all of one pool, and the passages they meet.
 *
 * @param firstRow of the slot's queries
 * @param endRow after the last one
 * @param firstPassage of the step's passages
 * @param endPassage after the last one
 * @param pool their number in the step
 */
record Tile(int firstRow, int endRow, int firstPassage, int endPassage, int pool) {
  /**
   * Most queries of a tile. More make products a little faster, and the tile's score matrices
   * larger: 32 against 65 536 passages take 8 MiB each.
   */
  static final int ROWS = 32;

  static List<Tile> of(StepHeader header, SlotBatch batch) {
    List<Tile> tiles = new ArrayList<>();
    int group = header.groupSize();
    int row = 0;
    while (row < batch.queries()) {
      int query = batch.firstQuery() + row;
      int pool = header.poolOf(query);
      int first = header.firstQueryOfPool()[pool];
      int end = header.firstQueryOfPool()[pool + 1];
      int endRow = Math.min(Math.min(row + ROWS, batch.queries()), end - batch.firstQuery());
      if (!header.inBatchNegatives()) {
        first = query;
        end = batch.firstQuery() + endRow;
      }
      tiles.add(new Tile(row, endRow, first * group, end * group, pool));
      row = endRow;
    }
    return tiles;
  }

  int rows() {
    return endRow - firstRow;
  }

  int passages() {
    return endPassage - firstPassage;
  }

  /**
   * Some rows and columns of one of the tile's matrices.
   *
   * @param matrix [rows, passages]
   */
  NDArray block(NDManager scope, FloatBuffer matrix, int fromRow, int toRow, int from, int to) {
    FloatBuffer part = FloatBuffer.allocate((toRow - fromRow) * (to - from));
    for (int row = fromRow; row < toRow; row++) {
      int at = (row - firstRow) * passages() + from - firstPassage;
      part.put((row - fromRow) * (to - from), matrix, at, to - from);
    }
    return scope.create(part, new Shape(toRow - fromRow, to - from));
  }
}
