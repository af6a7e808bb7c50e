package org.dunlin.worker.member;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.dunlin.data.checkpoint.PartWriter;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StateChunk;

/**
 * The one thread that writes a worker's shares of checkpoints, and may wait for the disk. Any
 * thread may ask it; close it with the worker.
 */
public final class PartsThread implements AutoCloseable {
  // One is written at a time, and one may wait.
  private static final int QUEUE = 4;

  private final WorkerId worker;
  private final ThreadPoolExecutor thread;
  private volatile boolean closed;

  /**
   * @param worker names the files
   */
  public PartsThread(WorkerId worker) {
    this.worker = worker;
    this.thread =
        new ThreadPoolExecutor(
            1,
            1,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(QUEUE),
            Thread.ofPlatform().daemon().name("checkpoint-" + worker).factory());
  }

  /**
   * Writes a share and closes the snapshot.
   *
   * @param folder as {@link org.dunlin.data.checkpoint.CheckpointStore#begin} made it
   * @param share which of how many the snapshot holds, from 0
   * @return the part once it lies on the disk; fails with a {@link Refusal} if it could not be
   */
  public CompletableFuture<CheckpointPart> write(
      Path folder, int share, int shares, Device.Snapshot snapshot) {
    return CompletableFuture.supplyAsync(
        () -> {
          try (snapshot) {
            return write(
                folder,
                PartWriter.create(folder, worker.toString(), share, shares, snapshot.tensors()),
                snapshot);
          } catch (IOException e) {
            throw Refusal.run(folder + ": cannot be written: " + e.getMessage(), e);
          }
        },
        thread);
  }

  private CheckpointPart write(Path folder, PartWriter created, Device.Snapshot snapshot)
      throws IOException {
    try (PartWriter writer = created) {
      ByteBuffer bytes =
          ByteBuffer.allocateDirect(StateChunk.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
      for (StateTensor tensor : snapshot.tensors()) {
        Iterator<StateChunk.Piece> pieces =
            StateChunk.pieces(tensor.kind(), tensor.tensor().name(), tensor.tensor().elements())
                .iterator();
        while (pieces.hasNext()) {
          StateChunk.Piece piece = pieces.next();
          if (closed) {
            throw Refusal.run(folder + ": worker " + worker + " ends");
          }
          bytes.clear().limit(piece.floats() * Float.BYTES);
          snapshot.read(tensor, piece.firstElement(), bytes.asFloatBuffer());
          writer.put(piece.kind(), piece.tensor(), piece.firstElement(), bytes);
        }
      }
      return writer.finish();
    }
  }

  /** What is being written ends early; returns at once. */
  @Override
  public void close() {
    closed = true;
    thread.shutdown();
  }
}
