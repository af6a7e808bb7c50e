package org.dunlin.data.model;

import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.dunlin.data.draws.Draws;
import org.dunlin.protocol.Refusal;

/**
 * The sparse and the multi-vector head that a unified run starts with: a folder's own, or fresh
 * ones. As in FlagEmbedding it takes both files; one alone is not used, and {@link #origin} says
 * so. Thread-safe; close it.
 */
final class Heads implements AutoCloseable {
  static final String SPARSE_FILE = "sparse_linear.pt";
  static final String COLBERT_FILE = "colbert_linear.pt";
  static final String SPARSE = "sparse_linear";
  static final String COLBERT = "colbert_linear";

  private final int hidden;
  private final int colbertDim;
  private final long seed;
  private final String origin;
  private final Map<String, TorchFile> files; // by head; empty where they are fresh

  private Heads(
      int hidden, int colbertDim, long seed, String origin, Map<String, TorchFile> files) {
    this.hidden = hidden;
    this.colbertDim = colbertDim;
    this.seed = seed;
    this.origin = origin;
    this.files = files;
  }

  /**
   * @param wanted width of a token's vector; absent: what the file has, else the hidden size
   * @param seed from which fresh heads are drawn
   */
  static Heads open(Path folder, int hidden, OptionalInt wanted, long seed) {
    Path sparse = folder.resolve(SPARSE_FILE);
    Path colbert = folder.resolve(COLBERT_FILE);
    if (!Files.isReadable(sparse) || !Files.isReadable(colbert)) {
      String missing = Files.isReadable(sparse) ? COLBERT_FILE : SPARSE_FILE;
      return new Heads(
          hidden,
          wanted.orElse(hidden),
          seed,
          "sparse and multi-vector head: fresh, drawn from seed %d, because %s has no %s"
              .formatted(seed, folder, missing),
          Map.of());
    }
    TorchFile sparseFile = TorchFile.open(sparse);
    try {
      TorchFile colbertFile = TorchFile.open(colbert);
      try {
        fit(sparse, sparseFile, 1, hidden);
        int found = rows(colbert, colbertFile);
        if (wanted.isPresent() && wanted.getAsInt() != found) {
          throw Refusal.run(
              "%s: multi-vector head of width %d (expected: colbert-dim %d); set it to %d, or remove both head files for fresh ones"
                  .formatted(colbert, found, wanted.getAsInt(), found));
        }
        fit(colbert, colbertFile, found, hidden);
        return new Heads(
            hidden,
            found,
            seed,
            "sparse and multi-vector head: read from " + folder,
            Map.of(SPARSE, sparseFile, COLBERT, colbertFile));
      } catch (Refusal e) {
        colbertFile.close();
        throw e;
      }
    } catch (Refusal e) {
      sparseFile.close();
      throw e;
    }
  }

  /** Width of a token's vector. */
  int colbertDim() {
    return colbertDim;
  }

  /** Where they come from, in a sentence. */
  String origin() {
    return origin;
  }

  /** Under FlagEmbedding's names, in the one order that the state's layout relies on. */
  List<Tensor> tensors() {
    return EncoderTensors.heads(hidden, colbertDim);
  }

  void read(Tensor tensor, long firstElement, FloatBuffer into) {
    String head = tensor.name().substring(0, tensor.name().indexOf('.'));
    TorchFile file = files.get(head);
    if (file != null) {
      file.read(tensor.name().substring(head.length() + 1), firstElement, into);
      return;
    }
    // PyTorch's own default of a linear layer: uniform within 1 over the root of its inputs.
    double bound = 1 / StrictMath.sqrt(hidden);
    int number = tensors().indexOf(tensor);
    for (long element = firstElement; into.hasRemaining(); element++) {
      double unit = new Draws(seed, Draws.Kind.HEADS, number, element).unit();
      into.put((float) ((2 * unit - 1) * bound));
    }
  }

  @Override
  public void close() {
    files.values().forEach(TorchFile::close);
  }

  private static int rows(Path path, TorchFile file) {
    return file.tensors().stream()
        .filter(tensor -> tensor.name().equals("weight") && tensor.shape().size() == 2)
        .findFirst()
        .map(tensor -> Math.toIntExact(tensor.shape().get(0)))
        .orElseThrow(
            () -> Refusal.run(path + ": has no matrix 'weight' (expected: weight and bias)"));
  }

  private static void fit(Path path, TorchFile file, int rows, int hidden) {
    List<Tensor> expected = List.of(Tensor.of("weight", rows, hidden), Tensor.of("bias", rows));
    if (!List.copyOf(file.tensors()).containsAll(expected)) {
      throw Refusal.run("%s: holds %s (expected: %s)".formatted(path, file.tensors(), expected));
    }
  }
}
