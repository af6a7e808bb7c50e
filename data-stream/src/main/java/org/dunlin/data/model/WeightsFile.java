package org.dunlin.data.model;

import java.nio.FloatBuffer;
import java.util.Collection;

/**
 * Tensors in a file, whatever its format: read where they lie, as float32. Thread-safe; close it.
 */
public sealed interface WeightsFile extends AutoCloseable
    permits SafetensorsFile, TorchFile, ShardedWeights {

  /** All floating-point tensors, in file order. */
  Collection<Tensor> tensors();

  boolean contains(String name);

  /** Reads values as float32, row-major from {@code firstElement}, until the buffer is full. */
  void read(String name, long firstElement, FloatBuffer into);

  @Override
  void close();
}
