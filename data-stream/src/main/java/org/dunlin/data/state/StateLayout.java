package org.dunlin.data.state;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;

/**
 * Lays tensors into blocks of under 1 GiB, in their order, each segment 64-byte aligned.
 *
 * <p>Weight decay goes by Hugging Face's rule: not to biases, nor to anything of a LayerNorm.
 * Immutable.
 */
public final class StateLayout {
  /** Floats of a block: 1 GiB is half of what one direct buffer can hold. */
  static final long MAX_BLOCK_FLOATS = (1L << 30) / Float.BYTES;

  private static final int ALIGNMENT = 16;
  private static final Pattern NO_DECAY =
      Pattern.compile("(^|\\.)(bias|layernorm|rmsnorm|norm)(\\.|$)", Pattern.CASE_INSENSITIVE);

  private final List<Segment> segments;
  private final List<Long> blockFloats;

  /**
   * @param tensors the parameters, in the run's one order
   */
  public StateLayout(List<Tensor> tensors) {
    List<Segment> laid = new ArrayList<>();
    List<Long> sizes = new ArrayList<>();
    long at = 0;
    for (Tensor tensor : tensors) {
      long floats = aligned(tensor.elements());
      if (floats > MAX_BLOCK_FLOATS) {
        throw Refusal.run(
            "tensor %s: %d values (expected: at most %d, 1 GiB; larger ones are not split yet)"
                .formatted(tensor.name(), tensor.elements(), MAX_BLOCK_FLOATS));
      }
      if (at + floats > MAX_BLOCK_FLOATS) {
        sizes.add(at);
        at = 0;
      }
      laid.add(new Segment(tensor, decays(tensor.name()), sizes.size(), at));
      at += floats;
    }
    sizes.add(at);
    this.segments = List.copyOf(laid);
    this.blockFloats = List.copyOf(sizes);
  }

  /** In the tensors' order. */
  public List<Segment> segments() {
    return segments;
  }

  /** Each block's size in floats. */
  public List<Long> blockFloats() {
    return blockFloats;
  }

  static boolean decays(String name) {
    return !NO_DECAY.matcher(name).find();
  }

  private static long aligned(long floats) {
    return (floats + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
}
