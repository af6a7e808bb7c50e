package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.worker.engine.Module;

/**
 * One own slot on its way through a step: what its micro-batches gave, and what they must give
 * back.
 */
final class SlotWork {
  private final SlotBatch batch;
  private final int hidden;
  private final MicroBatch[] micro;
  private final Encoder.Encoded[] encoded;
  private final FloatBuffer embeddings;
  private final FloatBuffer upstream;
  private final Turns turns = new Turns();
  private TouchedRows touched;
  private GradientBlock gradients;

  SlotWork(SlotBatch batch, int hidden) {
    this.batch = batch;
    this.hidden = hidden;
    this.micro = new MicroBatch[batch.microBatches().length];
    this.encoded = new Encoder.Encoded[micro.length];
    this.embeddings = FloatBuffer.allocate(batch.tokenIds().length * hidden);
    this.upstream = FloatBuffer.allocate(embeddings.capacity());
  }

  SlotBatch batch() {
    return batch;
  }

  int microBatches() {
    return micro.length;
  }

  /** Keeps a micro-batch's graph and copies its embeddings out. */
  void encoded(int number, MicroBatch arrays, Encoder.Encoded result) {
    micro[number] = arrays;
    encoded[number] = result;
    FloatBuffer values = TouchedRows.floats(result.dense());
    for (int r = 0; r < arrays.rows().length; r++) {
      embeddings.put(arrays.rows()[r] * hidden, values, r * hidden, hidden);
    }
  }

  /** The slot's queries' embeddings, [queries * hidden]. */
  FloatBuffer queries() {
    return embeddings.slice(0, batch.queries() * hidden);
  }

  /** The slot's passages' embeddings, [queries * groupSize * hidden]. */
  FloatBuffer passages() {
    int from = batch.queries() * hidden;
    return embeddings.slice(from, embeddings.capacity() - from);
  }

  /** Takes the loss's gradient with respect to the own queries. */
  void queryGradients(FloatBuffer values) {
    upstream.put(0, values, values.position(), batch.queries() * hidden);
  }

  /** Takes the loss's gradient with respect to the own passages. */
  void passageGradients(FloatBuffer values) {
    int from = batch.queries() * hidden;
    upstream.put(from, values, values.position(), upstream.capacity() - from);
  }

  /** The upstream gradient of a micro-batch, [rows, hidden]. */
  NDArray upstream(NDManager manager, int number) {
    int[] rows = micro[number].rows();
    FloatBuffer picked = FloatBuffer.allocate(rows.length * hidden);
    for (int r = 0; r < rows.length; r++) {
      picked.put(r * hidden, upstream, rows[r] * hidden, hidden);
    }
    return manager.create(picked, new Shape(rows.length, hidden));
  }

  Encoder.Encoded encoded(int number) {
    return encoded[number];
  }

  Turns turns() {
    return turns;
  }

  /** Adds a micro-batch's gradients to the slot's; in the micro-batches' order. */
  void accumulate(Module module, NDManager manager, int number, NDList found, GradientBlock block) {
    if (number == 0) {
      gradients = block;
      touched = TouchedRows.of(manager, batch, hidden);
    }
    int weights = found.size() - 1;
    NDArray[] arguments = new NDArray[5 + 2 * weights];
    try (NDManager scope = manager.newSubManager()) {
      arguments[0] = scope.create(number == 0 ? 1L : 0L);
      arguments[1] = found.get(weights);
      arguments[2] = scope.create(TouchedRows.real(batch, micro[number]));
      arguments[3] = scope.create(touched.into(batch, micro[number]));
      arguments[4] = touched.values();
      for (int i = 0; i < weights; i++) {
        arguments[5 + i] = Module.list("found", found.get(i));
        arguments[5 + weights + i] = gradients.array(i);
      }
      module.run("accumulate", scope, arguments);
    }
    micro[number].close();
    new NDList(encoded[number].dense(), encoded[number].looked()).close();
  }

  GradientBlock gradients() {
    return gradients;
  }

  TouchedRows touched() {
    return touched;
  }
}
