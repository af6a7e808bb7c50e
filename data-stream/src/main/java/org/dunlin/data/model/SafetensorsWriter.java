package org.dunlin.data.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a safetensors file of tensors of one type, in any order of their parts. Equal tensors give
 * equal bytes. The file is good only after {@link #finish}; write it under a temporary name. Not
 * thread-safe.
 */
public final class SafetensorsWriter implements AutoCloseable {
  private final Path path;
  private final FloatType type;
  private final SafetensorsHeader header;
  private final FileChannel channel;
  private final Map<String, Long> elements = new LinkedHashMap<>();
  private long missing;

  /**
   * Creates the file with its header.
   *
   * @param tensors all that it will hold, in file order
   * @param type what values are rounded to
   */
  public SafetensorsWriter(Path path, List<Tensor> tensors, FloatType type) throws IOException {
    this.path = path;
    this.type = type;
    this.header = new SafetensorsHeader(tensors, type);
    for (Tensor tensor : tensors) {
      elements.put(tensor.name(), tensor.elements());
      missing += tensor.elements();
    }
    this.channel = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    write(header.bytes(), 0);
  }

  /** The same for float32. */
  public SafetensorsWriter(Path path, List<Tensor> tensors) throws IOException {
    this(path, tensors, FloatType.F32);
  }

  /** Writes the buffer's remaining values of a tensor, row-major from {@code firstElement}. */
  public void put(String name, long firstElement, FloatBuffer values) {
    long has = elements.getOrDefault(name, 0L);
    int count = values.remaining();
    if (firstElement < 0 || firstElement + count > has) {
      throw new IllegalArgumentException(
          "%s: %s has no elements %d to %d"
              .formatted(path, name, firstElement, firstElement + count));
    }
    ByteBuffer bytes = ByteBuffer.allocate(count * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    type.append(values, bytes);
    try {
      write(bytes.flip(), header.place(name) + firstElement * type.bytes());
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": cannot be written: " + e.getMessage(), e);
    }
    missing -= count;
  }

  /** The same for values that are little-endian float32 bytes. */
  public void put(String name, long firstElement, ByteBuffer bytes) {
    put(name, firstElement, bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer());
  }

  /** Makes the file durable; fails if a value was never written. */
  public void finish() throws IOException {
    if (missing != 0) {
      throw new IllegalStateException(path + ": " + missing + " values were never written");
    }
    channel.force(true);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }

  private void write(ByteBuffer bytes, long at) throws IOException {
    for (long position = at; bytes.hasRemaining(); ) {
      position += channel.write(bytes, position);
    }
  }
}
