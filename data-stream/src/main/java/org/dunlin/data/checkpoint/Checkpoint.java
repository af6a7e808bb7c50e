package org.dunlin.data.checkpoint;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.dunlin.protocol.message.LessonItem.Kind;

/**
 * A whole checkpoint, opened for reading. Thread-safe, but an interrupt while it reads closes its
 * files; close it.
 */
public final class Checkpoint implements AutoCloseable {
  /**
   * Values that are read at once: a MiB, or the rest of a tensor.
   *
   * @param kind no gradient
   * @param tensor its name
   * @param firstElement place of the first of them in the tensor, row-major
   * @param elements how many
   */
  public record Piece(Kind kind, String tensor, long firstElement, int elements) {}

  private Checkpoint() {}

  /** Opens a folder; one that is not whole is a {@link org.dunlin.protocol.Refusal}. */
  public static Checkpoint open(Path folder) {
    throw new UnsupportedOperationException();
  }

  public Manifest manifest() {
    throw new UnsupportedOperationException();
  }

  /** Where it lies. */
  public Path folder() {
    throw new UnsupportedOperationException();
  }

  /**
   * All of the state, frozen tensors included, in the run's one order of tensors: of each the
   * parameter, then the moments if it is trained, front to back.
   */
  public List<Piece> pieces() {
    throw new UnsupportedOperationException();
  }

  /**
   * Reads values, checked by CRC32C.
   *
   * @return little-endian float32, read-only, the caller's
   * @throws org.dunlin.protocol.Refusal that names file, tensor and MiB where they are not what was
   *     written
   */
  public ByteBuffer read(Piece piece) {
    throw new UnsupportedOperationException();
  }

  /**
   * Reads all files whole and compares every checksum.
   *
   * @param progress told of each file that is as it was written
   * @throws org.dunlin.protocol.Refusal that names the first one that is not
   */
  public void verify(Consumer<String> progress) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() {}
}
