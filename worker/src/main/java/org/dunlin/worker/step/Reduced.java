package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.zip.CRC32C;
import org.dunlin.data.state.Segment;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.collective.RowSet;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.Module;

/**
 * The reduced gradient of the step in flight: dense for all trained parameters but the word
 * embedding, whose touched rows lie in a table that is 0 elsewhere, because AdamW moves all of its
 * rows.
 */
final class Reduced {
  private final GradientBlock dense;
  private final Block wordBlock;
  private final NDArray[] gradients;
  private final int width;
  private final List<Integer> trained;
  private int[] rows = {};

  Reduced(NDManager manager, State state) {
    List<Segment> segments = state.layout().segments();
    this.trained = state.trainedSegments();
    this.dense = new GradientBlock(manager, trained.stream().map(segments::get).toList());
    this.gradients = new NDArray[segments.size()];
    for (int i = 0; i < trained.size(); i++) {
      gradients[trained.get(i)] = dense.array(i);
    }
    long vocabulary = segments.get(0).tensor().shape().get(0);
    this.width = segments.get(0).tensor().shape().get(1).intValue();
    boolean touches = state.isTrained(0);
    this.wordBlock = new Block(touches ? vocabulary * width : 0);
    if (touches) {
      gradients[0] = Module.list("g", wordBlock.array(manager, 0, vocabulary, width));
    }
  }

  /** Where the dense part is reduced into. */
  FloatBuffer denseValues() {
    return dense.values();
  }

  /** By segment; null where it is frozen. */
  NDArray[] gradients() {
    return gradients;
  }

  /** Some of a segment's gradient; not of the word embedding's. */
  FloatBuffer values(int segment, long firstElement, long count) {
    return dense.values(trained.indexOf(segment), firstElement, count);
  }

  /** The word embedding's rows that the step touched; the others are 0. */
  int[] rows() {
    return rows.clone();
  }

  /** Copies touched rows. */
  void copyRows(int[] some, FloatBuffer into) {
    for (int row : some) {
      into.put(row(row));
    }
  }

  /** Replaces the touched rows of the step before by this step's. */
  void setRows(RowSet reduced) {
    float[] zeros = new float[width];
    for (int row : rows) {
      row(row).put(zeros);
    }
    rows = reduced.rows();
    for (int r = 0; r < rows.length; r++) {
      row(rows[r]).put(0, reduced.values(), r * width, width);
    }
  }

  /** Divides the whole gradient by a power of two. */
  void unscale(ComputeThreads threads, NDManager manager, double scale) {
    if (scale == 1) {
      return;
    }
    for (int row : rows) {
      FloatBuffer values = row(row);
      for (int i = 0; i < width; i++) {
        values.put(i, (float) (values.get(i) / scale));
      }
    }
    threads.run(
        "unscale",
        List.<ComputeThreads.Work<Boolean>>of(
            module -> {
              try (NDManager scope = manager.newSubManager()) {
                NDArray divisor = scope.create(new double[] {scale});
                module.run("divide", scope, withDense(divisor));
                return true;
              }
            }));
  }

  private NDArray[] withDense(NDArray first) {
    NDArray[] arguments = new NDArray[1 + dense.size()];
    arguments[0] = first;
    System.arraycopy(dense.arrays(), 0, arguments, 1, dense.size());
    return arguments;
  }

  private FloatBuffer row(int row) {
    return wordBlock.floats((long) row * width, width);
  }

  /**
   * The L2 norm of the whole gradient: in double precision, segment by segment ascending, the word
   * embedding's rows first and ascending (design section 8, rule 2).
   */
  double norm(ComputeThreads threads, NDManager manager) {
    double sum = 0;
    for (int row : rows) {
      FloatBuffer values = row(row);
      double ofRow = 0;
      for (int i = 0; i < width; i++) {
        double value = values.get(i);
        ofRow += value * value;
      }
      sum += ofRow;
    }
    double[] norms =
        threads
            .run(
                "norm",
                List.<ComputeThreads.Work<double[]>>of(module -> segmentNorms(module, manager)))
            .get(0);
    for (double norm : norms) {
      sum += norm * norm;
    }
    return StrictMath.sqrt(sum);
  }

  private double[] segmentNorms(Module module, NDManager manager) {
    try (NDManager scope = manager.newSubManager()) {
      return module.run("norms", scope, withDense(scope.create(1L))).get(0).toDoubleArray();
    }
  }

  /**
   * CRC32C of the gradient's bytes, in the same order, unless it is skipped, and of the scalars.
   *
   * @param norm of which every NaN counts as the same
   */
  int checksum(boolean applied, double norm, Scalars after) {
    CRC32C crc = new CRC32C();
    if (applied) {
      for (int row : rows) {
        crc.update(wordBlock.bytes((long) row * width, width));
      }
      crc.update(dense.bytes());
    }
    crc.update(
        ByteBuffer.allocate(4 * Long.BYTES)
            .putLong(Double.doubleToLongBits(norm))
            .putLong(after.updates())
            .putLong(Double.doubleToLongBits(after.lossScale()))
            .putLong(after.goodSteps())
            .flip());
    return (int) crc.getValue();
  }
}
