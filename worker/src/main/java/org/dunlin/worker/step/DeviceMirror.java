package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/**
 * A copy of all parameters in a device's memory, and the copies there and back of everything else
 * that the encoder takes and gives.
 *
 * <p>The host's arrays stay the truth. After a change of the state its parameters are copied once,
 * all of them, before the next use, because AdamW moves every row. Where the device is a CUDA one
 * its copies pass through pinned memory: pieces of 64 MiB of the parameters; a micro-batch's ids
 * and upstream gradients; its embeddings and gradients, which stay there until they are summed.
 * Blocks of parameters, moments and sums are not pinned.
 *
 * <p>All threads share the device's one default stream, so that its work is done in one order.
 */
final class DeviceMirror implements Staging {
  private final NDManager manager = Torch.newManager();
  private final State state;
  private final Weights weights;
  private final NDArray[] host;
  private long version = -1; // of the state, that the copy has; guarded by this

  /** Takes the memory; the first use fills it. */
  DeviceMirror(EncoderDevice device, State state) {
    this.state = state;
    int count = state.layout().segments().size();
    this.host =
        IntStream.range(0, count)
            .mapToObj(s -> Module.list("host", state.parameter(manager, s)))
            .toArray(NDArray[]::new);
    List<NDArray> copies = new ArrayList<>();
    for (NDArray array : host) {
      Shape shape = array.getShape();
      copies.add(manager.create(shape, DataType.FLOAT32, device.device()));
    }
    List<NDArray> all = copies.subList(1, count);
    all.forEach(array -> Module.list("w", array));
    List<NDArray> trained = state.trainedSegments().stream().map(copies::get).toList();
    trained.forEach(Torch::asLeaf);
    this.weights = new Weights(copies.get(0), List.copyOf(all), trained);
  }

  @Override
  public synchronized Weights weights(Module module) {
    long now = state.version();
    if (version != now) {
      try (NDManager scope = Torch.newManager()) {
        NDArray[] arguments =
            Stream.of(Stream.of(weights.word()), Stream.of(host), weights.all().stream())
                .flatMap(arrays -> arrays)
                .toArray(NDArray[]::new);
        module.run("refresh", scope, arguments);
      }
      version = now;
    }
    return weights;
  }

  @Override
  public List<NDArray> toDevice(Module module, NDManager owner, List<NDArray> given) {
    NDList staged = module.run("to_device", owner, arguments(weights.word(), "host", given));
    new NDList(given).close();
    return staged;
  }

  @Override
  public NDList toHost(Module module, NDManager owner, NDList found) {
    NDArray[] arguments =
        found.stream().map(array -> Module.list("found", array)).toArray(NDArray[]::new);
    return module.run("to_host", owner, arguments);
  }

  @Override
  public NDList moveToHost(Module module, NDManager owner, NDList found) {
    NDList moved = toHost(module, owner, found);
    found.close();
    return moved;
  }

  private static NDArray[] arguments(NDArray first, String list, List<NDArray> arrays) {
    return Stream.concat(Stream.of(first), arrays.stream().map(array -> Module.list(list, array)))
        .toArray(NDArray[]::new);
  }

  @Override
  public void close() {
    manager.close();
  }
}
