package org.dunlin.protocol.message;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;
import org.dunlin.protocol.message.LessonItem.Kind;

/**
 * A file of a checkpoint, whole and on its disk. Immutable but for the arrays in it, which nobody
 * changes.
 *
 * @param file its name in the checkpoint's folder
 * @param bytes its size
 * @param sha256 of all its bytes, lower-case hexadecimal
 * @param contents the tensors in it, in file order
 */
public record CheckpointPart(String file, long bytes, String sha256, List<Content> contents) {
  // A name and never a path: what a message says must not lead out of the folder.
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_#-][A-Za-z0-9._#-]{0,254}");
  private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");

  /**
   * One tensor's values of one kind, all of them.
   *
   * @param kind no gradient
   * @param tensor its name
   * @param crcs CRC32C of each MiB of its little-endian float32 values, the last one's of the rest
   */
  public record Content(Kind kind, String tensor, int[] crcs) {
    public Content {
      if (kind == Kind.GRADIENT) {
        throw new IllegalArgumentException(
            tensor + ": a gradient (expected: a parameter or a moment, which are the state)");
      }
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof Content that
          && kind == that.kind
          && tensor.equals(that.tensor)
          && Arrays.equals(crcs, that.crcs);
    }

    @Override
    public int hashCode() {
      return 31 * (31 * kind.hashCode() + tensor.hashCode()) + Arrays.hashCode(crcs);
    }

    @Override
    public String toString() {
      HexFormat hex = HexFormat.of();
      return kind + " " + tensor + Arrays.stream(crcs).mapToObj(hex::toHexDigits).toList();
    }
  }

  public CheckpointPart {
    if (!NAME.matcher(file).matches()) {
      throw new IllegalArgumentException(
          "file: '%s' (expected: a name of letters, digits and . _ # -)".formatted(file));
    }
    if (bytes < 0) {
      throw new IllegalArgumentException(file + ": bytes: " + bytes + " (expected: >= 0)");
    }
    if (!SHA256.matcher(sha256).matches()) {
      throw new IllegalArgumentException(
          file + ": sha256: '" + sha256 + "' (expected: 64 hexadecimal digits)");
    }
    contents = List.copyOf(contents);
  }
}
