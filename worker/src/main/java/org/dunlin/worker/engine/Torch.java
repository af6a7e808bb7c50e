package org.dunlin.worker.engine;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.StandardCapabilities;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.JniUtils;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** The engine itself: started once a process, on one intra-op thread. */
public final class Torch {
  private static final Engine ENGINE = start();

  private Torch() {}

  private static Engine start() {
    System.setProperty("ai.djl.offline", "true");
    Engine engine = Engine.getEngine("PyTorch");
    JniUtils.setNumThreads(1);
    return engine;
  }

  /** A manager of native memory; whoever asks for it closes it. */
  public static NDManager newManager() {
    return ENGINE.newBaseManager(Device.cpu());
  }

  /**
   * An array over memory that Java keeps: nothing is copied either way, and the buffer must outlive
   * the array.
   *
   * @param bytes direct, 64-byte aligned at its position, exactly as long as the shape
   */
  public static NDArray over(NDManager manager, ByteBuffer bytes, long... shape) {
    return JniUtils.createNdFromByteBuffer(
        (PtNDManager) manager,
        bytes,
        new Shape(shape),
        DataType.FLOAT32,
        SparseFormat.DENSE,
        Device.cpu());
  }

  /** Its version, as 2.7.1. */
  static String version() {
    return ENGINE.getVersion();
  }

  /** Whether libtorch was built with CUDA and finds a device. */
  static boolean hasCuda() {
    return ENGINE.hasCapability(StandardCapabilities.CUDA);
  }

  /**
   * A contiguous array's own memory as floats, row-major; good while the array is open.
   *
   * @param array in the processor's memory
   */
  public static FloatBuffer floats(NDArray array) {
    if (array.getDevice().isGpu()) {
      throw new IllegalArgumentException(
          "an array is in the memory of %s (expected: cpu)".formatted(array.getDevice()));
    }
    return JniUtils.getByteBuffer((PtNDArray) array, true)
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer();
  }

  /** Whether operators called on this thread from now on record a graph. */
  public static void recordGraph(boolean record) {
    JniUtils.setGradMode(record);
  }

  /** Lets an array, a view of a parameter, receive gradients. */
  public static NDArray asLeaf(NDArray array) {
    array.setRequiresGradient(true);
    return array;
  }

  static void setUpThread() {
    JniUtils.setGraphExecutorOptimize(false);
    JniUtils.setGradMode(true);
  }
}
