package org.dunlin.worker.engine;

import ai.djl.util.cuda.CudaUtils;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.dunlin.protocol.Refusal;

/** The CUDA devices of this machine, as far as they can be trained on. */
public final class Devices {
  private Devices() {}

  /**
   * Refuses devices that a worker cannot train on.
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
    throw Refusal.usage(
        "--devices: %s (expected: none: this Dunlin trains on processors only); leave --devices out"
            .formatted(wanted));
  }
}
