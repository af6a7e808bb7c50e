package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.worker.collective.RowSet;
import org.dunlin.worker.engine.Torch;

/**
 * A slot's gradient of the word embedding: only the rows that its tokens touch, ascending. Which
 * they are comes from the batch, never from values.
 *
 * @param rows token ids, strictly ascending
 * @param values float32 [rows, hidden]
 */
record TouchedRows(int[] rows, NDArray values) {

  static TouchedRows of(NDManager manager, SlotBatch batch, int hidden) {
    int[] rows =
        Arrays.stream(batch.tokenIds()).flatMapToInt(IntStream::of).sorted().distinct().toArray();
    return new TouchedRows(rows, manager.create(new Shape(rows.length, hidden), DataType.FLOAT32));
  }

  /** Places of a micro-batch's real tokens in its flattened [rows * tokens]. */
  static long[] real(SlotBatch batch, MicroBatch micro) {
    return IntStream.range(0, micro.rows().length)
        .flatMap(
            r ->
                IntStream.range(0, batch.tokenIds()[micro.rows()[r]].length)
                    .map(t -> r * micro.tokens() + t))
        .mapToLong(i -> i)
        .toArray();
  }

  /** Their rows in {@link #values}, in the same order. */
  long[] into(SlotBatch batch, MicroBatch micro) {
    return Arrays.stream(micro.rows())
        .flatMap(row -> IntStream.of(batch.tokenIds()[row]))
        .mapToLong(id -> Arrays.binarySearch(rows, id))
        .toArray();
  }

  /** The same without the array, which is closed. */
  RowSet toRowSet() {
    int width = (int) values.getShape().get(1);
    FloatBuffer copy = FloatBuffer.allocate(rows.length * width);
    copy.put(Torch.floats(values)).flip();
    values.close();
    return new RowSet(rows, width, copy);
  }
}
