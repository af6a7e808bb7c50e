package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.dunlin.protocol.checkpoint.CheckpointPart;
import org.dunlin.protocol.message.LessonItem.Kind;

/**
 * Writes one share of a state into a checkpoint's folder, front to back in one pass. The file has
 * its name only when it is whole and on the disk. Messages of exceptions are sentences. Not
 * thread-safe; close it, which removes what was not finished.
 */
public final class PartWriter implements AutoCloseable {
  private PartWriter() {}

  /**
   * Begins a part.
   *
   * @param checkpointFolder as {@link CheckpointStore#begin} made it
   * @param writer who writes, such as {@code worker-2#1}
   * @param share from 0
   * @param shares how many there are
   * @param tensors what it will hold, in file order
   */
  public static PartWriter create(
      Path checkpointFolder, String writer, int share, int shares, List<StateTensor> tensors)
      throws IOException {
    throw new UnsupportedOperationException();
  }

  /**
   * Writes the next values: in the list's order, front to back, in pieces that end at MiBs of the
   * tensor or at its end.
   */
  public void put(Kind kind, String tensor, long firstElement, ByteBuffer littleEndianFloats)
      throws IOException {
    throw new UnsupportedOperationException();
  }

  /** Makes the file durable and gives it its name. */
  public CheckpointPart finish() throws IOException {
    throw new UnsupportedOperationException();
  }

  @Override
  public void close() throws IOException {}
}
