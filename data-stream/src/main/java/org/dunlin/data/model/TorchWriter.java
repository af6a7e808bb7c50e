package org.dunlin.data.model;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.LocalDateTime;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Writes small tensors, such as a head's, as {@code torch.save} of an ordered dictionary does:
 * {@code torch.load} takes it also with {@code weights_only=True}. Equal tensors give equal bytes.
 */
final class TorchWriter {
  private static final LocalDateTime NEVER = LocalDateTime.of(1980, 1, 1, 0, 0);
  private static final int ALIGNMENT = 64;
  private static final int LOCAL_HEADER_BYTES = 30;
  private static final int EXTRA_HEADER_BYTES = 4;
  private static final short PADDING = 0x4246; // "FB", as PyTorch pads

  private final ZipOutputStream zip;
  private final String root;
  private long written;

  private TorchWriter(ZipOutputStream zip, String root) {
    this.zip = zip;
    this.root = root;
  }

  /**
   * Creates the file.
   *
   * @param tensors in file order, each with all of its values, row-major
   */
  static void write(Path path, Map<Tensor, FloatBuffer> tensors) throws IOException {
    String name = path.getFileName().toString();
    String root = name.substring(0, name.lastIndexOf('.')) + "/";
    try (OutputStream out = Files.newOutputStream(path, StandardOpenOption.CREATE_NEW);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      TorchWriter writer = new TorchWriter(zip, root);
      writer.entry("data.pkl", TensorPickleWriter.dictionary(tensors.keySet()));
      writer.entry("byteorder", ascii("little"));
      int number = 0;
      for (Map.Entry<Tensor, FloatBuffer> tensor : tensors.entrySet()) {
        FloatBuffer values = tensor.getValue().duplicate();
        if (values.remaining() != tensor.getKey().elements()) {
          throw new IllegalArgumentException(
              "%s: %d values (expected: %d)"
                  .formatted(
                      tensor.getKey().name(), values.remaining(), tensor.getKey().elements()));
        }
        ByteBuffer bytes =
            ByteBuffer.allocate(values.remaining() * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        writer.entry("data/" + number++, bytes.array());
      }
      writer.entry("version", ascii("3\n"));
    }
  }

  private void entry(String name, byte[] bytes) throws IOException {
    ZipEntry entry = new ZipEntry(root + name);
    CRC32 crc = new CRC32();
    crc.update(bytes);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(bytes.length);
    entry.setCrc(crc.getValue());
    entry.setTimeLocal(NEVER);
    long start = written + LOCAL_HEADER_BYTES + ascii(entry.getName()).length + EXTRA_HEADER_BYTES;
    int padding = (int) (-start & (ALIGNMENT - 1));
    entry.setExtra(
        ByteBuffer.allocate(EXTRA_HEADER_BYTES + padding)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putShort(PADDING)
            .putShort((short) padding)
            .array());
    zip.putNextEntry(entry);
    zip.write(bytes);
    zip.closeEntry();
    written = start + padding + bytes.length;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  /** The pickle that describes the tensors, each alone in its storage. */
  private static final class TensorPickleWriter {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    static byte[] dictionary(Iterable<Tensor> tensors) {
      TensorPickleWriter writer = new TensorPickleWriter();
      writer.bytes(0x80, 2).global("collections", "OrderedDict").bytes(')', 'R', '(');
      int number = 0;
      for (Tensor tensor : tensors) {
        writer.text(tensor.name()).tensor(tensor, number++);
      }
      return writer.bytes('u', '.').out.toByteArray();
    }

    private void tensor(Tensor tensor, int number) {
      global("torch._utils", "_rebuild_tensor_v2").bytes('(', '(').text("storage");
      global("torch", "FloatStorage").text(Integer.toString(number)).text("cpu");
      number(tensor.elements()).bytes('t', 'Q').number(0);
      bytes('(');
      tensor.shape().forEach(this::number);
      bytes('t', '(');
      long stride = tensor.elements();
      for (long size : tensor.shape()) {
        stride /= size;
        number(stride);
      }
      bytes('t', 0x89).global("collections", "OrderedDict").bytes(')', 'R', 't', 'R');
    }

    private TensorPickleWriter global(String module, String name) {
      bytes('c');
      out.writeBytes(ascii(module + "\n" + name + "\n"));
      return this;
    }

    private TensorPickleWriter text(String text) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      bytes('X');
      out.writeBytes(little(bytes.length));
      out.writeBytes(bytes);
      return this;
    }

    private TensorPickleWriter number(long value) {
      bytes('J');
      out.writeBytes(little(Math.toIntExact(value)));
      return this;
    }

    private TensorPickleWriter bytes(int... values) {
      for (int value : values) {
        out.write(value);
      }
      return this;
    }

    private static byte[] little(int value) {
      return ByteBuffer.allocate(Integer.BYTES)
          .order(ByteOrder.LITTLE_ENDIAN)
          .putInt(value)
          .array();
    }
  }
}
