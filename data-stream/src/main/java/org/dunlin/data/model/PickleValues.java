package org.dunlin.data.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dunlin.data.model.TensorPickle.Fault;
import org.dunlin.data.model.TensorPickle.Global;
import org.dunlin.data.model.TensorPickle.Storage;
import org.dunlin.data.model.TensorPickle.StorageKind;
import org.dunlin.data.model.TensorPickle.View;

/** What the few functions that a PyTorch file may name would make of their arguments. */
final class PickleValues {
  static final String ONLY = " (expected: only tensors in a dictionary); it was not executed";

  /** No tensor has more; PyTorch's own limit is 64. */
  private static final int MOST_DIMENSIONS = 64;

  private PickleValues() {}

  /** A dictionary; a type of its own, because one that holds itself must never be hashed. */
  static final class Dict {
    private final Map<String, Object> entries = new LinkedHashMap<>();

    void put(String key, Object value) {
      entries.put(key, value);
    }
  }

  /** What a file's last value holds. */
  static Map<String, View> tensors(Object top) throws Fault {
    if (!(top instanceof Dict dict)) {
      throw new Fault("holds " + kind(top) + " (expected: a dictionary of tensors)");
    }
    Map<String, View> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, Object> entry : dict.entries.entrySet()) {
      if (!(entry.getValue() instanceof View view)) {
        throw new Fault(
            "holds %s under '%s' (expected: a dictionary of tensors, as a model's state_dict)"
                .formatted(kind(entry.getValue()), entry.getKey()));
      }
      tensors.put(entry.getKey(), view);
    }
    return tensors;
  }

  /** {@code ('storage', kind, key, device, elements)}. */
  static Storage storage(Object id) throws Fault {
    if (id instanceof List<?> parts
        && parts.size() == 5
        && "storage".equals(parts.get(0))
        && parts.get(1) instanceof StorageKind kind
        && parts.get(2) instanceof String key
        && parts.get(4) instanceof Long elements
        && elements >= 0) {
      return new Storage(key, kind, elements);
    }
    throw new Fault("its pickle names a storage in a way that is not known");
  }

  static Object rebuilt(Object function, Object arguments) throws Fault {
    if (function instanceof Global global && arguments instanceof List<?> values) {
      switch (global) {
        case ORDERED_DICT -> {
          if (values.isEmpty()) {
            return new Dict();
          }
        }
        case REBUILD_PARAMETER -> {
          if (!values.isEmpty() && values.get(0) instanceof View view) {
            return view;
          }
        }
        case REBUILD_TENSOR -> {
          if (values.size() >= 4
              && values.get(0) instanceof Storage storage
              && values.get(1) instanceof Long offset) {
            return view(storage, offset, sizes(values.get(2)), sizes(values.get(3)));
          }
        }
      }
    }
    throw new Fault("its pickle calls " + kind(function) + " with arguments that do not fit");
  }

  private static View view(Storage storage, long offset, List<Long> shape, List<Long> strides)
      throws Fault {
    if (offset < 0 || shape.size() != strides.size()) {
      throw outside(storage, shape);
    }
    try {
      long last = offset;
      boolean empty = false;
      long elements = 1;
      for (int dimension = 0; dimension < shape.size(); dimension++) {
        empty |= shape.get(dimension) == 0;
        elements = Math.multiplyExact(elements, Math.max(1, shape.get(dimension)));
        last =
            Math.addExact(
                last,
                Math.multiplyExact(Math.max(0, shape.get(dimension) - 1), strides.get(dimension)));
      }
      if (!empty && last >= storage.elements()) {
        throw outside(storage, shape);
      }
    } catch (ArithmeticException e) {
      throw outside(storage, shape);
    }
    return new View(storage, offset, shape, strides);
  }

  private static Fault outside(Storage storage, List<Long> shape) {
    return new Fault(
        "a tensor of shape %s reaches beyond its storage of %d values"
            .formatted(shape, storage.elements()));
  }

  private static List<Long> sizes(Object tuple) throws Fault {
    if (!(tuple instanceof List<?> values) || values.size() > MOST_DIMENSIONS) {
      throw new Fault("its pickle has a tensor whose shape is not a tuple");
    }
    List<Long> sizes = new ArrayList<>();
    for (Object value : values) {
      if (!(value instanceof Long size) || size < 0) {
        throw new Fault("its pickle has a tensor with a negative size or stride, or none");
      }
      sizes.add(size);
    }
    return List.copyOf(sizes);
  }

  static String kind(Object value) {
    return switch (value) {
      case View view -> "a tensor";
      case Dict dict -> "a dictionary";
      case String text -> "a text";
      case Long number -> "a number";
      case Double number -> "a number";
      case Boolean truth -> "a truth value";
      case List<?> list -> "a list";
      case TensorPickle.Nothing none -> "None";
      case TensorPickle.Value other -> "a function or storage";
      default -> "a value";
    };
  }
}
