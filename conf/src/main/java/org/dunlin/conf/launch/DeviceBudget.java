package org.dunlin.conf.launch;

import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.ActivationBytes;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.engine.Devices;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.step.Memory;

/**
 * The memory of a CUDA device that a worker's encoder computes on. Parameters are there once more;
 * moments, sums of gradients and losses are not.
 *
 * @param freeBytes before the worker takes any
 * @param parametersBytes of the copy
 * @param microBatchBytes activations of the largest micro-batch allowed, by estimate
 * @param threads compute threads, each with a micro-batch there
 * @param keptBytes what graphs that are kept for the backward pass may take; given up where memory
 *     runs out
 */
record DeviceBudget(
    long freeBytes, long parametersBytes, long microBatchBytes, int threads, long keptBytes) {

  /**
   * Shares out what is free: half of what parameters and micro-batches leave may go to graphs.
   *
   * @param mostThreads at least 1; fewer where the device does not hold so many micro-batches
   */
  static DeviceBudget of(
      long freeBytes, long parametersBytes, long microBatchBytes, int mostThreads) {
    long left = Math.max(0, freeBytes - parametersBytes);
    int threads = Math.clamp(left / Math.max(1, microBatchBytes), 1, mostThreads);
    long kept = Math.max(0, left - threads * microBatchBytes) / 2;
    return new DeviceBudget(freeBytes, parametersBytes, microBatchBytes, threads, kept);
  }

  /** Of the device that this process is shown. */
  static DeviceBudget ofCuda(RunSpec spec, long parametersBytes, int mostThreads) {
    long microBatchBytes = ActivationBytes.most(spec, EncoderDevice.CUDA.writesAttentionOut());
    return of(Devices.freeBytes(), parametersBytes, microBatchBytes, mostThreads);
  }

  /** How graphs are kept within it. */
  Memory memory(boolean byLayers) {
    return new Memory(byLayers, keptBytes);
  }

  /** All of it, for a person. */
  String line() {
    return "memory of its device: %s of %s that are free at most: parameters %s, activations of %d compute threads %s, graphs kept to save time up to %s"
        .formatted(
            MemoryBudget.gib(parametersBytes + threads * microBatchBytes + keptBytes),
            MemoryBudget.gib(freeBytes),
            MemoryBudget.gib(parametersBytes),
            threads,
            MemoryBudget.gib(threads * microBatchBytes),
            MemoryBudget.gib(keptBytes));
  }

  /** Refuses a model that the device cannot hold; micro-batches can be made smaller. */
  void requireParameters() {
    if (parametersBytes > freeBytes) {
      throw Refusal.run(
          "the device has %s of memory free (expected: at least %s for the parameters); end what else uses it, or leave --devices out"
              .formatted(MemoryBudget.gib(freeBytes), MemoryBudget.gib(parametersBytes)));
    }
  }
}
