package org.dunlin.data.model;

import java.math.BigInteger;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the pickle of a PyTorch file without being a pickle machine: nothing is executed, no class
 * is looked up by its name, and all it can make are numbers, texts, tuples, dictionaries and
 * references to tensors. Anything else is a fault that names what was wanted.
 *
 * <p>Every opcode pushes at most one value and none is followed twice, so work and memory are
 * bounded by the pickle's own length, whatever it refers to.
 */
final class TensorPickle {
  /** A key's name and a value's kind; values that only PyTorch's functions would understand. */
  sealed interface Value {}

  /** What a file may call by name. Each is imitated, never called. */
  enum Global implements Value {
    ORDERED_DICT("collections OrderedDict"),
    REBUILD_TENSOR("torch._utils _rebuild_tensor_v2"),
    REBUILD_PARAMETER("torch._utils _rebuild_parameter");

    private final String name;

    Global(String name) {
      this.name = name;
    }
  }

  /** A kind of storage; {@code type} is null for whole numbers, of which nothing is read. */
  record StorageKind(String name, FloatType type) implements Value {}

  /** Stored values: an entry {@code data/key} of the zip. */
  record Storage(String key, StorageKind kind, long elements) implements Value {}

  /** A view of a storage: element {@code i} of each dimension lies {@code i * stride} further. */
  record View(Storage storage, long offset, List<Long> shape, List<Long> strides)
      implements Value {}

  /** Python's None. */
  enum Nothing implements Value {
    NONE
  }

  private enum Mark implements Value {
    HERE
  }

  /** The pickle is no dictionary of tensors; the message goes on after the file's name. */
  static final class Fault extends Exception {
    private static final long serialVersionUID = 1L;

    Fault(String what) {
      super(what);
    }
  }

  private static final Map<String, Value> GLOBALS = new HashMap<>();

  static {
    for (Global global : Global.values()) {
      GLOBALS.put(global.name, global);
    }
    storage("DoubleStorage", FloatType.F64);
    storage("FloatStorage", FloatType.F32);
    storage("HalfStorage", FloatType.F16);
    storage("BFloat16Storage", FloatType.BF16);
    for (String whole : List.of("Long", "Int", "Short", "Char", "Byte", "Bool")) {
      storage(whole + "Storage", null);
    }
  }

  private static void storage(String name, FloatType type) {
    GLOBALS.put("torch " + name, new StorageKind(name, type));
  }

  private final ByteBuffer pickle;
  private final List<Object> stack = new ArrayList<>();
  private final Map<Integer, Object> memo = new HashMap<>();

  private TensorPickle(ByteBuffer pickle) {
    this.pickle = pickle.order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The tensors of a state dictionary, in its order. */
  static Map<String, View> read(ByteBuffer pickle) throws Fault {
    Object top;
    try {
      top = new TensorPickle(pickle).run();
    } catch (BufferUnderflowException e) {
      throw new Fault("its pickle is cut short");
    }
    return PickleValues.tensors(top);
  }

  private Object run() throws Fault {
    while (true) {
      int opcode = Byte.toUnsignedInt(pickle.get());
      switch (opcode) {
        case 0x80 -> pickle.get(); // PROTO
        case 0x95 -> pickle.getLong(); // FRAME
        case '(' -> push(Mark.HERE);
        case ')' -> push(List.of());
        case ']' -> push(new ArrayList<>());
        case '}' -> push(new PickleValues.Dict());
        case 'N' -> push(Nothing.NONE);
        case 0x88 -> push(true);
        case 0x89 -> push(false);
        case 'K' -> push((long) Byte.toUnsignedInt(pickle.get()));
        case 'M' -> push((long) Short.toUnsignedInt(pickle.getShort()));
        case 'J' -> push((long) pickle.getInt());
        case 0x8a -> push(number(Byte.toUnsignedInt(pickle.get())));
        case 'G' -> push(ByteBuffer.wrap(bytes(Double.BYTES)).getDouble());
        case 'X' -> push(text(pickle.getInt()));
        case 0x8c -> push(text(Byte.toUnsignedInt(pickle.get())));
        case 'q' -> memo.put(Byte.toUnsignedInt(pickle.get()), top());
        case 'r' -> memo.put(pickle.getInt(), top());
        case 0x94 -> memo.put(memo.size(), top());
        case 'h' -> push(remembered(Byte.toUnsignedInt(pickle.get())));
        case 'j' -> push(remembered(pickle.getInt()));
        case 'c' -> push(global(line(), line()));
        case 0x93 -> {
          Object name = pop();
          push(global(String.valueOf(pop() instanceof String s ? s : "?"), textOf(name)));
        }
        case 't' -> push(sinceMark());
        case 0x85 -> push(last(1));
        case 0x86 -> push(last(2));
        case 0x87 -> push(last(3));
        case 'a' -> append(last(1));
        case 'e' -> append(sinceMark());
        case 's' -> put(last(2));
        case 'u' -> put(sinceMark());
        case 'Q' -> push(PickleValues.storage(pop()));
        case 'R' -> {
          Object arguments = pop();
          push(PickleValues.rebuilt(pop(), arguments));
        }
        case 'b' -> {
          pop(); // attributes, such as a state dictionary's _metadata; of no use here
          if (!(top() instanceof PickleValues.Dict)) {
            throw new Fault(
                "its pickle sets attributes of " + PickleValues.kind(top()) + PickleValues.ONLY);
          }
        }
        case '.' -> {
          return pop();
        }
        default ->
            throw new Fault(
                "its pickle has the opcode 0x%02x at byte %d%s"
                    .formatted(opcode, pickle.position() - 1, PickleValues.ONLY));
      }
    }
  }

  private Value global(String module, String name) throws Fault {
    Value known = GLOBALS.get(module + " " + name);
    if (known == null) {
      throw new Fault("its pickle wants " + shown(module) + "." + shown(name) + PickleValues.ONLY);
    }
    return known;
  }

  private void append(List<Object> values) throws Fault {
    if (!(top() instanceof ArrayList<?> list)) {
      throw new Fault("its pickle appends to " + PickleValues.kind(top()));
    }
    @SuppressWarnings("unchecked") // only EMPTY_LIST pushes an ArrayList
    List<Object> target = (List<Object>) list;
    target.addAll(values);
  }

  private void put(List<Object> keysAndValues) throws Fault {
    if (!(top() instanceof PickleValues.Dict dict) || keysAndValues.size() % 2 != 0) {
      throw new Fault("its pickle puts a key into " + PickleValues.kind(top()));
    }
    for (int at = 0; at < keysAndValues.size(); at += 2) {
      dict.put(textOf(keysAndValues.get(at)), keysAndValues.get(at + 1));
    }
  }

  private static String textOf(Object value) throws Fault {
    if (value instanceof String text) {
      return text;
    }
    throw new Fault("its pickle has " + PickleValues.kind(value) + " where a name belongs");
  }

  private long number(int length) throws Fault {
    byte[] bytes = bytes(length);
    for (int low = 0, high = length - 1; low < high; low++, high--) {
      byte swapped = bytes[low];
      bytes[low] = bytes[high];
      bytes[high] = swapped;
    }
    try {
      return length == 0 ? 0 : new BigInteger(bytes).longValueExact();
    } catch (ArithmeticException e) {
      throw new Fault("its pickle has a number of %d bytes (expected: up to 8)".formatted(length));
    }
  }

  private String text(int length) throws Fault {
    return new String(bytes(length), StandardCharsets.UTF_8);
  }

  private byte[] bytes(int count) throws Fault {
    if (count < 0 || count > pickle.remaining()) {
      throw new Fault(
          "its pickle claims a text of %d bytes where %d are left"
              .formatted(Integer.toUnsignedLong(count), pickle.remaining()));
    }
    byte[] bytes = new byte[count];
    pickle.get(bytes);
    return bytes;
  }

  private String line() {
    StringBuilder line = new StringBuilder();
    for (byte letter = pickle.get(); letter != '\n'; letter = pickle.get()) {
      line.append((char) Byte.toUnsignedInt(letter));
    }
    return line.toString();
  }

  /** A stranger's name in our sentence: short and without control characters. */
  private static String shown(String name) {
    String clean = name.replaceAll("[^\\x21-\\x7e]", "?");
    return clean.length() <= 60 ? clean : clean.substring(0, 60) + "…";
  }

  private Object remembered(int number) throws Fault {
    Object value = memo.get(number);
    if (value == null) {
      throw new Fault("its pickle refers to value %d, which it never made".formatted(number));
    }
    return value;
  }

  private void push(Object value) {
    stack.add(value);
  }

  private Object top() throws Fault {
    if (stack.isEmpty()) {
      throw new Fault("its pickle is damaged: it takes more values than it makes");
    }
    return stack.get(stack.size() - 1);
  }

  private Object pop() throws Fault {
    Object value = top();
    stack.remove(stack.size() - 1);
    return value;
  }

  private List<Object> last(int count) throws Fault {
    if (stack.size() < count) {
      throw new Fault("its pickle is damaged: it takes more values than it makes");
    }
    return cut(stack.size() - count);
  }

  private List<Object> sinceMark() throws Fault {
    for (int at = stack.size() - 1; at >= 0; at--) {
      if (stack.get(at) == Mark.HERE) {
        List<Object> values = cut(at + 1);
        stack.remove(at);
        return values;
      }
    }
    throw new Fault("its pickle is damaged: it ends a tuple that it never began");
  }

  private List<Object> cut(int from) {
    List<Object> tail = stack.subList(from, stack.size());
    List<Object> values = List.copyOf(tail);
    tail.clear();
    return values;
  }
}
