package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.state.Segment;
import org.dunlin.data.state.StateLayout;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/**
 * Parameters and moments in direct memory, and the arrays through which libtorch sees them. The
 * first segment is the word embedding, of which a step touches only some rows. Close it after the
 * last use.
 */
final class State implements AutoCloseable {
  private final NDManager manager = Torch.newManager();
  private final StateLayout layout;
  private final List<Block> parameters = new ArrayList<>();
  private final Map<String, Segment> byName = new LinkedHashMap<>();
  private final NDArray word;
  private final NDArray[] weights;
  private final NDArray[] updated;
  private final NDArray[] firstMoments;
  private final NDArray[] secondMoments;

  State(EncoderSpec encoder) {
    this(encoder, true);
  }

  /**
   * @param trains whether there are moments too
   */
  State(EncoderSpec encoder, boolean trains) {
    this.layout = new StateLayout(EncoderTensors.expected(encoder));
    List<Block> first = new ArrayList<>();
    List<Block> second = new ArrayList<>();
    for (long floats : layout.blockFloats()) {
      parameters.add(new Block(floats));
      if (trains) {
        first.add(new Block(floats));
        second.add(new Block(floats));
      }
    }
    int count = layout.segments().size();
    this.weights = new NDArray[count - 1];
    this.updated = new NDArray[count];
    this.firstMoments = new NDArray[count];
    this.secondMoments = new NDArray[count];
    for (int s = 0; s < count; s++) {
      Segment segment = layout.segments().get(s);
      byName.put(segment.tensor().name(), segment);
      updated[s] = Module.list("w", array(parameters, segment));
      if (trains) {
        firstMoments[s] = Module.list("m", array(first, segment));
        secondMoments[s] = Module.list("v", array(second, segment));
      }
      if (s > 0) {
        weights[s - 1] = Torch.asLeaf(Module.list("w", array(parameters, segment)));
      }
    }
    this.word = array(parameters, layout.segments().get(0));
  }

  private NDArray array(List<Block> blocks, Segment segment) {
    long[] shape = segment.tensor().shape().stream().mapToLong(Long::longValue).toArray();
    return blocks.get(segment.block()).array(manager, segment.from(), shape);
  }

  StateLayout layout() {
    return layout;
  }

  /** The word embedding's table, which no graph reaches. */
  NDArray word() {
    return word;
  }

  /** All other parameters as leaves of graphs, in layout order. */
  NDArray[] weights() {
    return weights.clone();
  }

  /** The arrays of a segment's update: parameter, first and second moment. */
  NDArray updated(int segment) {
    return updated[segment];
  }

  NDArray firstMoment(int segment) {
    return firstMoments[segment];
  }

  NDArray secondMoment(int segment) {
    return secondMoments[segment];
  }

  /** A parameter's values from an element on. */
  FloatBuffer values(String parameter, long firstElement, long count) {
    Segment segment = byName.get(parameter);
    if (segment == null || firstElement + count > segment.tensor().elements()) {
      throw new IllegalArgumentException(
          "%s has no elements %d to %d".formatted(parameter, firstElement, firstElement + count));
    }
    return parameters.get(segment.block()).floats(segment.from() + firstElement, count);
  }

  @Override
  public void close() {
    manager.close();
  }
}
