package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.stream.LongStream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Distillation;
import org.dunlin.worker.engine.Module;

/**
 * The losses of dense embeddings: the mean over the global batch's queries of {@code -log softmax(q
 * . p / temperature)} at the query's own positive, over all passages of the global batch or over
 * the query's own ones (reference sections 5.1 and 5.3), with a teacher where there is one (5.4). A
 * slot computes the rows of its own queries.
 */
final class ContrastiveLoss {
  /**
   * A slot's part.
   *
   * @param loss its share of the mean
   * @param queries gradient with respect to its own queries, [queries, hidden]
   * @param passages gradient with respect to all passages, [passages, hidden]
   * @param scores [queries, passages], divided by the temperature
   */
  record Part(double loss, NDArray queries, NDArray passages, NDArray scores) {}

  private final LossSpec spec;

  ContrastiveLoss(LossSpec spec) {
    this.spec = spec;
  }

  /**
   * Computes a slot's part.
   *
   * @param passages embeddings of the whole batch, [passages, hidden]
   */
  Part of(Module module, NDManager manager, StepHeader header, SlotWork slot, NDArray passages) {
    SlotBatch batch = slot.batch();
    int group = batch.groupSize();
    long first = (long) batch.firstQuery() * group;
    int own = batch.queries() * group;
    boolean taught = spec.distillation() != Distillation.NONE && header.teacherScores().length > 0;
    long[] hashes = spec.maskDuplicates() ? header.passageHashes() : new long[0];
    float[] teacher =
        taught ? softmax(header.teacherScores(), Math.toIntExact(first), own, group) : new float[0];
    long[] dims = spec.matryoshkaDims().stream().mapToLong(Integer::longValue).toArray();
    try (NDManager scope = manager.newSubManager()) {
      NDList out =
          module.run(
              "contrast",
              manager,
              scope.create(new double[] {spec.temperature(), header.queries()}),
              scope.create(
                  new long[] {
                    header.inBatchNegatives() ? 1 : 0,
                    taught ? code(spec.distillation()) : 0,
                    spec.normalize() ? 1 : 0
                  }),
              scope.create(slot.queries(), new Shape(batch.queries(), passages.getShape().get(1))),
              passages,
              scope.create(
                  LongStream.range(first, first + own).toArray(),
                  new Shape(batch.queries(), group)),
              scope.create(hashes, new Shape(hashes.length)),
              scope.create(teacher, taught ? new Shape(batch.queries(), group) : new Shape(0)),
              scope.create(dims, new Shape(dims.length)));
      double loss = out.get(0).toDoubleArray()[0];
      out.get(0).close();
      return new Part(loss, out.get(1), out.get(2), out.get(3));
    }
  }

  private static int code(Distillation distillation) {
    return switch (distillation) {
      case NONE -> 0;
      case KL_DIV -> 1;
      case M3_KD_LOSS -> 2;
    };
  }

  /** Each group's softmax of raw scores, in double precision and rounded once. */
  private static float[] softmax(float[] scores, int from, int count, int group) {
    float[] shares = new float[count];
    for (int g = 0; g < count; g += group) {
      double most = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < group; i++) {
        most = Math.max(most, scores[from + g + i]);
      }
      double sum = 0;
      for (int i = 0; i < group; i++) {
        sum += StrictMath.exp(scores[from + g + i] - most);
      }
      for (int i = 0; i < group; i++) {
        shares[g + i] = (float) (StrictMath.exp(scores[from + g + i] - most) / sum);
      }
    }
    return shares;
  }
}
