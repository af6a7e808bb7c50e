package org.dunlin.conf.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.dunlin.protocol.Refusal;

/** A JSON file that a reader sees either as it was before or as it is now, never half. */
record WholeFile(Path path) {
  private static final ObjectMapper JSON = new ObjectMapper();

  void write(Object content) {
    Path next = path.resolveSibling("." + path.getFileName() + ".next");
    try {
      Files.writeString(
          next, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(content) + "\n");
      Files.move(next, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw Refusal.run(path + ": cannot be written: " + e.getMessage(), e);
    }
  }
}
