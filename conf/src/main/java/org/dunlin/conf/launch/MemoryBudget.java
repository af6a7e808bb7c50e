package org.dunlin.conf.launch;

import com.sun.management.HotSpotDiagnosticMXBean;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.ActivationBytes;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.step.Memory;

/**
 * The memory of one worker: first what it needs from the first step to the last, in Java's direct
 * memory; then what libtorch takes on top.
 *
 * @param parametersBytes of all parameters
 * @param momentsBytes AdamW's two
 * @param reducedBytes the reduced gradient, dense
 * @param partialBytes sums that wait in the tree, log2(slots) + 1, and one a compute thread, each
 *     without the word embedding
 * @param gatherBytes the passages' embeddings of a step at their longest, and their gradients
 * @param activationBytes of the largest micro-batch allowed, one a compute thread, by estimate
 * @param keptBytes what graphs that are kept for the backward pass may take (GradCache); given up
 *     where memory runs out
 */
public record MemoryBudget(
    long parametersBytes,
    long momentsBytes,
    long reducedBytes,
    long partialBytes,
    long gatherBytes,
    long activationBytes,
    long keptBytes) {
  // A block of direct memory is one buffer, whose bytes an int counts.
  private static final long MOST_FLOATS = (1L << 29) - 32;

  private static final double GIB = 1L << 30;

  /**
   * Adds it up.
   *
   * @param workers on this machine, at least 1
   */
  public static MemoryBudget of(RunSpec spec, int computeThreads, int workers) {
    List<Tensor> tensors = EncoderTensors.expected(spec.encoder(), spec.heads());
    long all = 0;
    long dense = 0;
    for (Tensor tensor : tensors) {
      long bytes = tensor.elements() * Float.BYTES;
      all += bytes;
      dense += tensor.name().equals(EncoderTensors.WORD_EMBEDDINGS) ? 0 : bytes;
    }
    int waiting = Integer.numberOfTrailingZeros(spec.batch().slots()) + 1;
    BatchSpec batch = spec.batch();
    long passages = passages(batch);
    long floats = spec.encoder().hidden();
    if (spec.heads().unified()) {
      // Of each token an id, a lexical weight and a vector.
      floats += batch.passageMaxTokens() * (2L + spec.heads().vectorWidth());
    }
    return new MemoryBudget(
        all,
        2 * all,
        all,
        dense * (waiting + computeThreads),
        2 * passages * floats * Float.BYTES,
        computeThreads * ActivationBytes.most(spec, false),
        Memory.ofMachine(spec.compute().recomputesLayers(), workers).graphBytes());
  }

  /** The same where the encoder computes on a device, which has what libtorch takes. */
  MemoryBudget besideDevice() {
    return new MemoryBudget(
        parametersBytes, momentsBytes, reducedBytes, partialBytes, gatherBytes, 0, 0);
  }

  private static long passages(BatchSpec batch) {
    return (long) batch.pools() * batch.pairs() * batch.groupSize();
  }

  /** Refuses a step whose passages' vectors, at their longest, one buffer cannot hold. */
  static void requireBlocks(RunSpec spec) {
    BatchSpec batch = spec.batch();
    long passages = passages(batch);
    long floats = passages * (batch.passageMaxTokens() - 1) * spec.heads().vectorWidth();
    if (spec.heads().unified() && floats > MOST_FLOATS) {
      throw Refusal.usage(
          "the token vectors of a step: %d numbers, of %d passages of %d tokens (expected: at most %d); lower batch.size, train.accumulation, data.group-size or data.passage-max-tokens"
              .formatted(floats, passages, batch.passageMaxTokens(), MOST_FLOATS));
    }
  }

  /** All of it, for a person. */
  public String line() {
    return "memory of each worker: %s at most: %s, activations %s, graphs kept to save time up to %s"
        .formatted(
            gib(directBytes() + activationBytes + keptBytes),
            parts(),
            gib(activationBytes),
            gib(keptBytes));
  }

  long directBytes() {
    return parametersBytes + momentsBytes + reducedBytes + partialBytes + gatherBytes;
  }

  /** Refuses what a worker alone on this machine would not be given, and tells of the rest. */
  void require(Consumer<String> told) {
    requireDirect();
    requirePhysical(1, Runtime.getRuntime().maxMemory());
    told.accept(line());
  }

  /** Refuses what this JVM would not be given. */
  void requireDirect() {
    long limit = directLimitBytes();
    if (directBytes() > limit) {
      throw Refusal.run(
          "this JVM may use %s of direct memory (expected: at least %s: %s); raise -XX:MaxDirectMemorySize"
              .formatted(gib(limit), gib(directBytes()), parts()));
    }
  }

  /**
   * Refuses what the machine has not.
   *
   * @param workers on this machine
   * @param heapBytes of all their processes together, and the coordinator's
   */
  void requirePhysical(int workers, long heapBytes) {
    long machine =
        ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize();
    long needed = workers * directBytes() + heapBytes;
    if (needed > machine) {
      throw Refusal.run(
          "this machine has %s of memory (expected: at least %s: %s for each of %d workers, and %s of heaps); use fewer workers, fewer slots or a smaller model"
              .formatted(gib(machine), gib(needed), parts(), workers, gib(heapBytes)));
    }
  }

  private String parts() {
    return "parameters %s, moments %s, reduced gradient %s, partial sums %s, gathered embeddings %s"
        .formatted(
            gib(parametersBytes),
            gib(momentsBytes),
            gib(reducedBytes),
            gib(partialBytes),
            gib(gatherBytes));
  }

  static String gib(long bytes) {
    return String.format(Locale.ROOT, "%.2f GiB", bytes / GIB);
  }

  // 0 stands for the heap's limit.
  private static long directLimitBytes() {
    long set =
        Long.parseLong(
            ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
                .getVMOption("MaxDirectMemorySize")
                .getValue());
    return set == 0 ? Runtime.getRuntime().maxMemory() : set;
  }
}
