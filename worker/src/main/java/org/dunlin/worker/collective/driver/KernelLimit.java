package org.dunlin.worker.collective.driver;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** The largest socket buffers that the kernel gives. */
enum KernelLimit {
  RECEIVE("net.core.rmem_max"),
  SEND("net.core.wmem_max");

  /** Where the kernel does not tell: what most have. */
  private static final long USUAL_BYTES = 208 << 10;

  private final String key;

  KernelLimit(String key) {
    this.key = key;
  }

  // By a reader: the kernel gives such a file only to who takes all of it at once.
  long bytes() {
    Path file = Path.of("/proc/sys", key.split("\\."));
    try (BufferedReader reader = Files.newBufferedReader(file)) {
      return Long.parseLong(reader.readLine().strip());
    } catch (IOException | NumberFormatException e) {
      return USUAL_BYTES;
    }
  }

  Optional<String> warning() {
    return Sizing.socketWarning(key, bytes());
  }
}
