package org.dunlin.data.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a safetensors file of float32 tensors, in any order of their parts. Equal tensors give
 * equal bytes. The file is good only after {@link #finish}; write it under a temporary name. Not
 * thread-safe.
 */
public final class SafetensorsWriter implements AutoCloseable {
  private static final int HEADER_ALIGNMENT = 8;

  private record Place(long from, long elements) {}

  private final Path path;
  private final FileChannel channel;
  private final Map<String, Place> places = new LinkedHashMap<>();
  private long missing;

  /**
   * Creates the file with its header.
   *
   * @param tensors all that it will hold, in file order
   */
  public SafetensorsWriter(Path path, List<Tensor> tensors) throws IOException {
    this.path = path;
    ObjectNode header = new ObjectMapper().createObjectNode();
    header.putObject("__metadata__").put("format", "pt");
    long at = 0;
    for (Tensor tensor : tensors) {
      ObjectNode entry = header.putObject(tensor.name()).put("dtype", "F32");
      tensor.shape().forEach(entry.putArray("shape")::add);
      long bytes = tensor.elements() * Float.BYTES;
      entry.putArray("data_offsets").add(at).add(at + bytes);
      places.put(tensor.name(), new Place(at, tensor.elements()));
      at += bytes;
      missing += tensor.elements();
    }
    byte[] json = new ObjectMapper().writeValueAsBytes(header);
    int padded = (json.length + HEADER_ALIGNMENT - 1) / HEADER_ALIGNMENT * HEADER_ALIGNMENT;
    byte[] spaced = Arrays.copyOf(json, padded);
    Arrays.fill(spaced, json.length, padded, (byte) ' ');
    long dataStart = Long.BYTES + (long) padded;
    places.replaceAll((name, place) -> new Place(dataStart + place.from(), place.elements()));
    ByteBuffer start = ByteBuffer.allocate(Long.BYTES + padded).order(ByteOrder.LITTLE_ENDIAN);
    start.putLong(padded).put(spaced).flip();
    this.channel = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    write(start, 0);
  }

  /** Writes the buffer's remaining values of a tensor, row-major from {@code firstElement}. */
  public void put(String name, long firstElement, FloatBuffer values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.remaining() * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values.duplicate());
    put(name, firstElement, bytes);
  }

  /** The same for values that are little-endian float32 bytes already. */
  public void put(String name, long firstElement, ByteBuffer bytes) {
    Place place = places.get(name);
    long elements = bytes.remaining() / Float.BYTES;
    if (place == null || firstElement < 0 || firstElement + elements > place.elements()) {
      throw new IllegalArgumentException(
          "%s: %s has no elements %d to %d"
              .formatted(path, name, firstElement, firstElement + elements));
    }
    try {
      write(bytes.duplicate(), place.from() + firstElement * Float.BYTES);
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": cannot be written: " + e.getMessage(), e);
    }
    missing -= elements;
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
