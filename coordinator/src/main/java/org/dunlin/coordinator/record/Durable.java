package org.dunlin.coordinator.record;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Writes that a power cut does not take back. */
final class Durable {
  private Durable() {}

  /** Writes text to a file and to its disk; the file's name may still be lost, see below. */
  static void write(Path file, String text, OpenOption... how) throws IOException {
    try (FileChannel channel = FileChannel.open(file, how)) {
      ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      channel.force(true);
    }
  }

  /**
   * Writes a small file in place of the one of its name, if any, both durably: a death at any
   * moment leaves the old one or the new one, never a part.
   *
   * @param next what it is called before, in the same folder
   */
  static void replace(Path file, Path next, String text) throws IOException {
    write(
        next,
        text,
        StandardOpenOption.CREATE,
        StandardOpenOption.TRUNCATE_EXISTING,
        StandardOpenOption.WRITE);
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
    names(file.toAbsolutePath().getParent());
  }

  /** Makes names durable that were made or changed in a folder. */
  static void names(Path folder) throws IOException {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }
}
