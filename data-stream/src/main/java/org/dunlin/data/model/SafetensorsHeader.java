package org.dunlin.data.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a safetensors file of such tensors begins with, and where each then lies: one after the
 * other. Equal tensors give equal bytes. Immutable.
 */
public final class SafetensorsHeader {
  private static final int ALIGNMENT = 8;

  private final byte[] bytes;
  private final Map<String, Long> places = new LinkedHashMap<>();
  private final long fileBytes;

  /**
   * @param tensors in file order
   * @param type of all values
   */
  public SafetensorsHeader(List<Tensor> tensors, FloatType type) {
    ObjectNode header = new ObjectMapper().createObjectNode();
    header.putObject("__metadata__").put("format", "pt");
    long at = 0;
    for (Tensor tensor : tensors) {
      ObjectNode entry = header.putObject(tensor.name()).put("dtype", type.name());
      tensor.shape().forEach(entry.putArray("shape")::add);
      long end = at + tensor.elements() * type.bytes();
      entry.putArray("data_offsets").add(at).add(end);
      places.put(tensor.name(), at);
      at = end;
    }
    byte[] json = json(header);
    int padded = (json.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    byte[] spaced = Arrays.copyOf(json, padded);
    Arrays.fill(spaced, json.length, padded, (byte) ' ');
    long dataStart = Long.BYTES + (long) padded;
    places.replaceAll((name, place) -> dataStart + place);
    this.fileBytes = dataStart + at;
    this.bytes =
        ByteBuffer.allocate(Long.BYTES + padded)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(padded)
            .put(spaced)
            .array();
  }

  private static byte[] json(ObjectNode header) {
    try {
      return new ObjectMapper().writeValueAsBytes(header);
    } catch (JsonProcessingException e) {
      throw new AssertionError("a tree of JSON is always written", e);
    }
  }

  /** The file's first bytes, up to the first value. */
  public ByteBuffer bytes() {
    return ByteBuffer.wrap(bytes).asReadOnlyBuffer();
  }

  /** Where a tensor's first value begins in the file. */
  public long place(String tensor) {
    return places.get(tensor);
  }

  /** The file's size. */
  public long fileBytes() {
    return fileBytes;
  }
}
