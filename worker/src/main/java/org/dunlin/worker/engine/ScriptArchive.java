package org.dunlin.worker.engine;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * A TorchScript archive made from source text: the zip that {@code torch.jit.load} reads, whose
 * {@code code/} folder libtorch compiles. It holds no weights; those are arguments.
 */
public final class ScriptArchive {
  private static final String TOP = "dunlin/";
  private static final String CLASS = "Dunlin";

  /** What an archive is made of, in this order; together they are the body of one class. */
  private static final List<String> SOURCES =
      List.of("encoder.py", "loss.py", "optimizer.py", "inference.py", "staging.py");

  private ScriptArchive() {}

  /** The archive of all of Dunlin's scripts. */
  public static byte[] bytes() {
    StringBuilder code =
        new StringBuilder("class " + CLASS + "(Module):\n")
            .append("  __parameters__ = []\n  __buffers__ = []\n  training : bool\n");
    for (String source : SOURCES) {
      code.append(resource(source).indent(2));
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      store(zip, "data.pkl", instanceOf(CLASS));
      store(zip, "constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
      store(zip, "code/__torch__.py", code.toString().getBytes(StandardCharsets.UTF_8));
      store(zip, "version", "3\n".getBytes(StandardCharsets.UTF_8));
      store(zip, "byteorder", "little".getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return bytes.toByteArray();
  }

  // Pickle, protocol 2: GLOBAL class, (), NEWOBJ, {"training": True}, BUILD, STOP.
  private static byte[] instanceOf(String name) {
    ByteArrayOutputStream pickle = new ByteArrayOutputStream();
    byte[] key = "training".getBytes(StandardCharsets.UTF_8);
    pickle.writeBytes(new byte[] {(byte) 0x80, 2, 'c'});
    pickle.writeBytes(("__torch__\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
    pickle.writeBytes(new byte[] {')', (byte) 0x81, '}', 'X', (byte) key.length, 0, 0, 0});
    pickle.writeBytes(key);
    pickle.writeBytes(new byte[] {(byte) 0x88, 's', 'b', '.'});
    return pickle.toByteArray();
  }

  private static void store(ZipOutputStream zip, String name, byte[] content) throws IOException {
    ZipEntry entry = new ZipEntry(TOP + name);
    CRC32 crc = new CRC32();
    crc.update(content);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCrc(crc.getValue());
    entry.setTime(0);
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }

  private static String resource(String name) {
    try (InputStream in = ScriptArchive.class.getResourceAsStream("/org/dunlin/worker/" + name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
