package org.dunlin.data.model;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.dunlin.protocol.Refusal;

/** Opens a file for one of the weights' formats; a channel that is not handed on is closed. */
final class OpenedChannel {
  /** Reads a format's directory and keeps the channel. */
  interface Reader<F> {
    F read(FileChannel channel) throws IOException;
  }

  private OpenedChannel() {}

  /**
   * Opens a file.
   *
   * @param expected what it should be, for a person
   */
  static <F> F read(Path path, String expected, Reader<F> reader) {
    try {
      FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
      try {
        return reader.read(channel);
      } catch (RuntimeException | IOException e) {
        channel.close();
        throw e;
      }
    } catch (NoSuchFileException e) {
      throw Refusal.run(path + ": no such file (expected: " + expected + ")", e);
    } catch (IOException e) {
      throw Refusal.run(path + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
