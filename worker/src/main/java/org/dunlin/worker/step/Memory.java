package org.dunlin.worker.step;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/**
 * How a device saves memory. It decides what is computed twice, never what comes out: every form
 * gives the same bits.
 *
 * @param byLayers whether the backward pass computes each layer again, so that a micro-batch keeps
 *     what its layers were given instead of its whole graph (gradient checkpointing)
 * @param graphBytes what the graphs of a step may take, by estimate. Micro-batches beyond it are
 *     encoded without a graph first and once more, with it, in the backward pass (GradCache)
 */
public record Memory(boolean byLayers, long graphBytes) {
  public Memory {
    if (graphBytes < 0) {
      throw new IllegalArgumentException("graphBytes: " + graphBytes + " (expected: >= 0)");
    }
  }

  /** Graphs may take a quarter of the machine's memory. */
  public static Memory ofMachine(boolean byLayers) {
    return ofMachine(byLayers, 1);
  }

  /**
   * The same of a worker that is not alone.
   *
   * @param workers on this machine, which share the quarter; at least 1
   */
  public static Memory ofMachine(boolean byLayers, int workers) {
    OperatingSystemMXBean machine =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return new Memory(byLayers, machine.getTotalMemorySize() / 4 / workers);
  }
}
