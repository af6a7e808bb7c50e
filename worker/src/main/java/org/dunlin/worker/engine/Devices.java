package org.dunlin.worker.engine;

import ai.djl.util.cuda.CudaUtils;
import java.lang.management.MemoryUsage;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.dunlin.protocol.Refusal;

/** The CUDA devices of this machine, as libcudart and libtorch tell of them. */
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
            "--devices: %d (expected: less than %d, the CUDA devices that this process finds with libcudart); put the folder of libcudart.so on LD_LIBRARY_PATH, or leave --devices out to train on the processor"
                .formatted(device, there));
      }
    }
  }

  /**
   * Refuses a device that the engine cannot use. Starts the engine.
   *
   * @param device its number, for the sentence; the process is shown no other
   */
  public static void requireEngine(int device) {
    if (!Torch.hasCuda()) {
      throw Refusal.usage(
          "--devices: %d (expected: none: this libtorch has no CUDA or finds no device); set PYTORCH_LIBRARY_PATH to the lib folder of PyTorch %s with CUDA 12.8 and PYTORCH_FLAVOR to cu128, or leave --devices out"
              .formatted(device, Torch.version()));
    }
  }

  /** What is free of the memory of the first CUDA device that this process is shown, in bytes. */
  public static long freeBytes() {
    MemoryUsage memory = CudaUtils.getGpuMemory(EncoderDevice.CUDA.device());
    return memory.getMax() - memory.getUsed();
  }
}
