package org.dunlin.worker.engine;

import ai.djl.util.cuda.CudaUtils;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.dunlin.protocol.Refusal;

/** The CUDA devices of this machine. */
public final class Devices {
  private Devices() {}

  /**
   * Refuses devices that this machine does not have, or that are named twice.
   *
   * @param wanted their numbers; empty for the processor
   */
  public static void require(List<Integer> wanted) {
    if (!wanted.isEmpty()) {
      require(wanted, CudaUtils.getGpuCount());
    }
  }

  static void require(List<Integer> wanted, int there) {
    Set<Integer> seen = new HashSet<>();
    for (int device : wanted) {
      if (!seen.add(device)) {
        throw Refusal.usage(
            "--devices: %d twice (expected: each device once); two workers on one device would only wait for each other"
                .formatted(device));
      }
      if (device < 0 || device >= there) {
        throw Refusal.usage(
            "--devices: %d (expected: less than %d, the CUDA devices that this machine has); leave --devices out to train on the processor"
                .formatted(device, there));
      }
    }
  }

  /** What a worker on a device is told: the scripts run there, but a step does not. */
  public static Refusal untrained(int device) {
    return Refusal.usage(
        "--devices: %d (expected: none: this Dunlin keeps parameters, gradients and losses in the processor's memory and trains there only); leave --devices out"
            .formatted(device));
  }
}
