package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.Checksum;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.state.Segment;
import org.dunlin.data.state.StateLayout;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
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
  private final List<Block> first = new ArrayList<>();
  private final List<Block> second = new ArrayList<>();
  private final Map<String, Segment> byName = new LinkedHashMap<>();
  private final Frozen frozen;
  private final List<Integer> trained = new ArrayList<>();
  private final NDArray word;
  private final NDArray[] weights;
  private final NDArray[] updated;
  private final NDArray[] firstMoments;
  private final NDArray[] secondMoments;
  private final AtomicLong versions = new AtomicLong();

  /** Without moments, for inference. */
  State(List<Tensor> parameters) {
    this(parameters, Frozen.NOTHING, false);
  }

  /** With moments, for training. */
  State(EncoderSpec encoder, HeadSpec heads, Frozen frozen) {
    this(EncoderTensors.expected(encoder, heads), frozen, true);
  }

  private State(List<Tensor> tensors, Frozen frozen, boolean trains) {
    this.frozen = frozen;
    this.layout = new StateLayout(tensors);
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
        weights[s - 1] = Module.list("w", array(parameters, segment));
        if (isTrained(s)) {
          Torch.asLeaf(weights[s - 1]);
          trained.add(s);
        }
      }
    }
    this.word = array(parameters, layout.segments().get(0));
  }

  private NDArray array(List<Block> blocks, Segment segment) {
    return array(manager, blocks, segment);
  }

  private static NDArray array(NDManager owner, List<Block> blocks, Segment segment) {
    long[] shape = segment.tensor().shape().stream().mapToLong(Long::longValue).toArray();
    return blocks.get(segment.block()).array(owner, segment.from(), shape);
  }

  /** Grows with each change of parameters; see {@link #changed}. */
  long version() {
    return versions.get();
  }

  /** Whoever has written parameters says so here, before they are used again. */
  void changed() {
    versions.incrementAndGet();
  }

  /** A segment's parameters once more, as an array of another owner. */
  NDArray parameter(NDManager owner, int segment) {
    return array(owner, parameters, layout.segments().get(segment));
  }

  StateLayout layout() {
    return layout;
  }

  /** The word embedding's table, which no graph reaches. */
  NDArray word() {
    return word;
  }

  /** All other parameters, in layout order; the trained ones are leaves of graphs. */
  List<NDArray> weights() {
    return List.of(weights);
  }

  /** The trained ones of {@link #weights}. */
  List<NDArray> trainedWeights() {
    return trained.stream().map(s -> weights[s - 1]).toList();
  }

  /** Numbers of the trained segments but the word embedding's, ascending. */
  List<Integer> trainedSegments() {
    return trained;
  }

  Frozen frozen() {
    return frozen;
  }

  /** Whether a segment gets updates. */
  boolean isTrained(int segment) {
    return EncoderTensors.isTrained(frozen, layout.segments().get(segment).tensor().name());
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

  /** The number of a tensor's segment. */
  int segment(String tensor) {
    Segment segment = byName.get(tensor);
    if (segment == null) {
      throw new IllegalArgumentException("there is no tensor " + tensor);
    }
    return layout.segments().indexOf(segment);
  }

  /** Some of a segment's parameters or moments, from an element on. */
  FloatBuffer values(int segment, Kind kind, long firstElement, long count) {
    Segment of = layout.segments().get(segment);
    return blocks(kind).get(of.block()).floats(of.from() + firstElement, count);
  }

  /** As before the first update. */
  void clearMoments() {
    for (int s = 0; s < layout.segments().size(); s++) {
      Segment of = layout.segments().get(s);
      for (Kind kind : kinds(s)) {
        if (kind != Kind.PARAMETER) {
          FloatBuffer all = values(s, kind, 0, of.tensor().elements());
          while (all.hasRemaining()) {
            all.put(0);
          }
        }
      }
    }
  }

  /** Adds all values of a segment to a checksum: parameters, and moments where it has any. */
  void digest(int segment, Checksum into) {
    digest(segment, 0, 1, into);
  }

  /**
   * The same of one of several equal parts of the segment.
   *
   * @param part from 0
   */
  void digest(int segment, int part, int parts, Checksum into) {
    Segment of = layout.segments().get(segment);
    long first = of.tensor().elements() * part / parts;
    long end = of.tensor().elements() * (part + 1) / parts;
    for (Kind kind : kinds(segment)) {
      into.update(blocks(kind).get(of.block()).bytes(of.from() + first, end - first));
    }
  }

  /** What a segment has: a frozen one has no moments that count. */
  List<Kind> kinds(int segment) {
    return isTrained(segment)
        ? List.of(Kind.PARAMETER, Kind.FIRST_MOMENT, Kind.SECOND_MOMENT)
        : List.of(Kind.PARAMETER);
  }

  private List<Block> blocks(Kind kind) {
    return switch (kind) {
      case PARAMETER -> parameters;
      case FIRST_MOMENT -> first;
      case SECOND_MOMENT -> second;
      case GRADIENT -> throw new IllegalArgumentException("a gradient is no part of the state");
    };
  }

  @Override
  public void close() {
    manager.close();
  }
}
