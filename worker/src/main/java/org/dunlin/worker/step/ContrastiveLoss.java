package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.stream.LongStream;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.worker.engine.Module;

/**
 * The in-batch contrastive loss of dense embeddings: the mean over the global batch's queries of
 * {@code -log softmax(q . p / temperature)} at the query's own positive, over all passages of the
 * global batch (reference section 5.1). A slot computes the rows of its own queries.
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
    long[] targets =
        LongStream.range(batch.firstQuery(), batch.firstQuery() + batch.queries())
            .map(query -> query * batch.groupSize())
            .toArray();
    long[] hashes = spec.maskDuplicates() ? header.passageHashes() : new long[0];
    try (NDManager scope = manager.newSubManager()) {
      NDList out =
          module.run(
              "contrast",
              manager,
              scope.create(new double[] {spec.temperature(), header.queries()}),
              scope.create(slot.queries(), new Shape(batch.queries(), passages.getShape().get(1))),
              passages,
              scope.create(targets),
              scope.create(hashes, new Shape(hashes.length)));
      double loss = out.get(0).getDouble();
      out.get(0).close();
      return new Part(loss, out.get(1), out.get(2), out.get(3));
    }
  }
}
