package org.dunlin.data.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dunlin.protocol.Refusal;

/**
 * A safetensors file, read where it lies: an 8-byte length, a JSON header, then the values. Files
 * and tensors may be of any size; only the part that is asked for is mapped. Thread-safe; close it.
 */
public final class SafetensorsFile implements WeightsFile {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long MAX_HEADER_BYTES = 100L << 20;

  private record Entry(Tensor tensor, FloatType type, long from, long to) {}

  private final Path path;
  private final FileChannel channel;
  private final Map<String, Entry> entries = new LinkedHashMap<>();

  private SafetensorsFile(Path path, FileChannel channel) {
    this.path = path;
    this.channel = channel;
  }

  /** Opens a file and checks its header against its length. */
  public static SafetensorsFile open(Path path) {
    return OpenedChannel.read(
        path,
        "a safetensors file",
        channel -> {
          SafetensorsFile file = new SafetensorsFile(path, channel);
          file.readHeader();
          return file;
        });
  }

  @Override
  public Collection<Tensor> tensors() {
    return Collections.unmodifiableList(entries.values().stream().map(Entry::tensor).toList());
  }

  @Override
  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  @Override
  public void read(String name, long firstElement, FloatBuffer into) {
    Entry entry = entries.get(name);
    if (entry == null || firstElement + into.remaining() > entry.tensor().elements()) {
      throw new IllegalArgumentException(
          "%s: %s has no elements %d to %d"
              .formatted(path, name, firstElement, firstElement + into.remaining()));
    }
    long at = entry.from() + firstElement * entry.type().bytes();
    long bytes = (long) into.remaining() * entry.type().bytes();
    try {
      ByteBuffer mapped =
          channel.map(FileChannel.MapMode.READ_ONLY, at, bytes).order(ByteOrder.LITTLE_ENDIAN);
      entry.type().copy(mapped, into);
    } catch (IOException e) {
      throw Refusal.run(path + ": " + name + " cannot be read: " + e.getMessage(), e);
    }
  }

  private void readHeader() throws IOException {
    long size = channel.size();
    if (size < Long.BYTES) {
      throw refused("is " + size + " bytes long (expected: at least 8)");
    }
    long headerBytes = readBytes(0, Long.BYTES).getLong();
    if (headerBytes < 2 || headerBytes > MAX_HEADER_BYTES || Long.BYTES + headerBytes > size) {
      throw refused(
          "its header claims %d bytes of a file of %d; it is cut short or no safetensors file"
              .formatted(headerBytes, size));
    }
    byte[] header = new byte[(int) headerBytes];
    readBytes(Long.BYTES, header.length).get(header);
    long dataStart = Long.BYTES + headerBytes;
    List<Entry> found = new ArrayList<>();
    for (Map.Entry<String, JsonNode> field : parse(header).properties()) {
      if (!field.getKey().equals("__metadata__")) {
        entry(field.getKey(), field.getValue(), dataStart, size).ifPresent(found::add);
      }
    }
    found.sort(Comparator.comparingLong(Entry::from));
    long end = dataStart;
    for (Entry entry : found) {
      if (entry.from() < end) {
        throw refused(entry.tensor().name() + " overlaps the tensor before it");
      }
      end = entry.to();
      entries.put(entry.tensor().name(), entry);
    }
  }

  private JsonNode parse(byte[] header) {
    try {
      JsonNode node = JSON.readTree(new String(header, StandardCharsets.UTF_8));
      if (node.isObject()) {
        return node;
      }
    } catch (JsonProcessingException e) {
      throw refused("its header is not JSON: " + e.getOriginalMessage());
    }
    throw refused("its header is not a JSON object");
  }

  // Integer tensors (position ids) are of no use here and are passed over.
  private java.util.Optional<Entry> entry(String name, JsonNode node, long dataStart, long size) {
    String dtype = node.path("dtype").asText();
    List<Long> shape = new ArrayList<>();
    node.path("shape").forEach(dimension -> shape.add(dimension.asLong(-1)));
    long from = dataStart + node.path("data_offsets").path(0).asLong(-1);
    long to = dataStart + node.path("data_offsets").path(1).asLong(-1);
    if (from < dataStart || to < from || to > size) {
      throw refused(
          "%s lies at bytes %d to %d of a file of %d; it is cut short"
              .formatted(name, from, to, size));
    }
    FloatType type;
    switch (dtype) {
      case "F64" -> type = FloatType.F64;
      case "F32" -> type = FloatType.F32;
      case "F16" -> type = FloatType.F16;
      case "BF16" -> type = FloatType.BF16;
      case "I64", "I32", "I16", "I8", "U8", "BOOL" -> {
        return java.util.Optional.empty();
      }
      default ->
          throw refused(name + " has dtype '" + dtype + "' (expected: F64, F32, F16 or BF16)");
    }
    Tensor tensor = new Tensor(name, shape);
    if (shape.contains(-1L) || tensor.elements() * type.bytes() != to - from) {
      throw refused("%s has shape %s of %s but %d bytes".formatted(name, shape, dtype, to - from));
    }
    return java.util.Optional.of(new Entry(tensor, type, from, to));
  }

  private ByteBuffer readBytes(long at, int bytes) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining() && channel.read(buffer, at + buffer.position()) >= 0) {}
    return buffer.flip();
  }

  private Refusal refused(String what) {
    return Refusal.run(path + ": " + what);
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }
}
