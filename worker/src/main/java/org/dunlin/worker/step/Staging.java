package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.List;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.engine.Module;

/**
 * The way between the memory that Java and the wire see and the one that the encoder computes in.
 * The state, the loss, gradients and their sums, the optimiser and checkpoints know the first one
 * only. Thread-safe: modules are the callers'. Close it after the last use.
 */
sealed interface Staging extends AutoCloseable permits Staging.InPlace, DeviceMirror {
  /**
   * Parameters where the encoder computes; whoever made them closes them.
   *
   * @param word the word embedding's table, which no graph reaches
   * @param all others, in layout order, named as the scripts' {@code w}; the trained ones are
   *     leaves
   * @param trained the trained ones of all
   */
  record Weights(NDArray word, List<NDArray> all, List<NDArray> trained) {}

  /** Where a device's encoder computes. */
  static Staging of(EncoderDevice device, State state) {
    return device.isInPlace() ? new InPlace(state) : new DeviceMirror(device, state);
  }

  /** The parameters as they are now; the state must not change meanwhile. */
  Weights weights(Module module);

  /**
   * Brings arrays to where the encoder computes.
   *
   * @param owner of what comes out
   * @param host used up
   */
  List<NDArray> toDevice(Module module, NDManager owner, List<NDArray> host);

  /**
   * Brings results to where Java reads them. They may be the same arrays.
   *
   * @param owner of what comes out, unless it is the same
   * @param found float32, not used up
   */
  NDList toHost(Module module, NDManager owner, NDList found);

  /** The same of what is used up. */
  NDList moveToHost(Module module, NDManager owner, NDList found);

  @Override
  void close();

  /** On the processor: nothing moves. */
  record InPlace(Weights weights) implements Staging {
    InPlace(State state) {
      this(new Weights(state.word(), state.weights(), state.trainedWeights()));
    }

    @Override
    public Weights weights(Module module) {
      return weights;
    }

    @Override
    public List<NDArray> toDevice(Module module, NDManager owner, List<NDArray> host) {
      return host;
    }

    @Override
    public NDList toHost(Module module, NDManager owner, NDList found) {
      return found;
    }

    @Override
    public NDList moveToHost(Module module, NDManager owner, NDList found) {
      return found;
    }

    @Override
    public void close() {}
  }
}
