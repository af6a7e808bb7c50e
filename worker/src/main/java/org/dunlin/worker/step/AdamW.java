package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;
import org.dunlin.data.state.Segment;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.engine.Module;
import org.dunlin.worker.engine.Torch;

/**
 * AdamW with decoupled decay through libtorch's fused operator, segment by segment (reference
 * section 6): {@code p -= lr * wd * p; p -= lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)}.
 */
final class AdamW {
  /** About what one call updates at least; smaller segments share a call. */
  private static final long CALL_ELEMENTS = 1L << 20;

  private final OptimizerSpec spec;
  private final State state;
  private final List<int[]> calls = new ArrayList<>();

  AdamW(OptimizerSpec spec, State state) {
    this.spec = spec;
    this.state = state;
    for (boolean decays : new boolean[] {true, false}) {
      List<Integer> call = new ArrayList<>();
      long elements = 0;
      for (int s = 0; s < state.layout().segments().size(); s++) {
        Segment segment = state.layout().segments().get(s);
        if (segment.decays() == decays && state.isTrained(s)) {
          call.add(s);
          elements += segment.tensor().elements();
          if (elements >= CALL_ELEMENTS) {
            calls.add(call.stream().mapToInt(Integer::intValue).toArray());
            call.clear();
            elements = 0;
          }
        }
      }
      if (!call.isEmpty()) {
        calls.add(call.stream().mapToInt(Integer::intValue).toArray());
      }
    }
  }

  /**
   * Updates trained parameters and their moments.
   *
   * @param only which segments, of the trained ones; each segment's bits are its own
   * @param gradients by segment, null where it is frozen; they are scaled in place
   * @param update its number, from 1
   * @param clip what the gradient is multiplied with, 1 for none
   */
  void update(
      ComputeThreads threads,
      IntPredicate only,
      NDArray[] gradients,
      double rate,
      long update,
      double clip) {
    List<ComputeThreads.Work<Boolean>> work = new ArrayList<>();
    for (int[] whole : calls) {
      int[] call = Arrays.stream(whole).filter(only).toArray();
      if (call.length == 0) {
        continue;
      }
      work.add(
          ComputeThreads.sized(
              elements(call),
              () -> "%d parameters".formatted(elements(call)),
              module -> {
                update(module, call, gradients, rate, update, clip);
                return true;
              }));
    }
    threads.run("AdamW", work);
  }

  private long elements(int[] segments) {
    return Arrays.stream(segments)
        .mapToLong(s -> state.layout().segments().get(s).tensor().elements())
        .sum();
  }

  private void update(
      Module module, int[] segments, NDArray[] gradients, double rate, long update, double clip) {
    boolean decays = state.layout().segments().get(segments[0]).decays();
    try (NDManager scope = Torch.newManager()) {
      NDArray[] arguments = new NDArray[1 + 5 * segments.length];
      arguments[0] =
          scope.create(
              new double[] {
                rate,
                spec.beta1(),
                spec.beta2(),
                spec.epsilon(),
                decays ? spec.weightDecay() : 0,
                clip
              });
      int n = segments.length;
      for (int i = 0; i < n; i++) {
        arguments[1 + i] = state.updated(segments[i]);
        arguments[1 + n + i] = gradients[segments[i]];
        arguments[1 + 2 * n + i] = state.firstMoment(segments[i]);
        arguments[1 + 3 * n + i] = state.secondMoment(segments[i]);
        arguments[1 + 4 * n + i] = Module.list("t", scope.create((float) update));
      }
      module.run("update", scope, arguments);
    }
  }
}
