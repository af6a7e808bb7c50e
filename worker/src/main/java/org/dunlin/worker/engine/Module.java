package org.dunlin.worker.engine;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * One thread's own compiled copy of the scripts. Belongs to the thread that made it.
 *
 * <p>Making one also sets that thread up: gradients on, and no graph executor optimisation, with
 * which the first call would differ in bits from the later ones.
 */
public final class Module implements AutoCloseable {
  private static final byte[] ARCHIVE = ScriptArchive.bytes();

  private final PtNDManager manager;
  private final PtSymbolBlock block;
  private final Map<String, NDArray> methods = new HashMap<>();

  Module() {
    this.manager = (PtNDManager) Torch.newManager();
    Torch.setUpThread();
    try {
      this.block = JniUtils.loadModule(manager, new ByteArrayInputStream(ARCHIVE), true, false);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Runs a method of the scripts.
   *
   * @param results who owns what it returns
   * @param arguments in the method's order; the arrays of a list argument follow each other and are
   *     all named alike, ending in {@code []}, see {@link #list}
   */
  public NDList run(String method, NDManager results, NDArray... arguments) {
    NDList inputs = new NDList(arguments.length + 1);
    inputs.addAll(List.of(arguments));
    inputs.add(methods.computeIfAbsent(method, this::methodName));
    NDList outputs = IValueUtils.forward(block, inputs, true);
    outputs.attach(results);
    return outputs;
  }

  private NDArray methodName(String method) {
    NDArray name = manager.create(new Shape(1));
    name.setName("module_method:" + method);
    return name;
  }

  /** Marks an array as one of a list argument; it keeps that name. */
  public static NDArray list(String argument, NDArray array) {
    array.setName(argument + "[]");
    return array;
  }

  @Override
  public void close() {
    block.close();
    manager.close();
  }
}
