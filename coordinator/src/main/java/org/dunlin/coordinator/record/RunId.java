package org.dunlin.coordinator.record;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import org.dunlin.protocol.Refusal;

/**
 * What tells a run from every other one, its own repetition too: copies of it carry the same. Lies
 * in its run folder.
 */
public final class RunId {
  /** Its file. */
  public static final String NAME = "id";

  /** Before it is {@link #NAME}. */
  public static final String NEXT = ".id.next";

  private static final int DIGITS = 12;

  private RunId() {}

  /** The run's, made up where it has none yet; only for who holds the run's term. */
  public static String of(Path runFolder) {
    Path file = runFolder.resolve(NAME);
    try {
      if (!Files.exists(file)) {
        String made = UUID.randomUUID().toString().replace("-", "").substring(0, DIGITS);
        Durable.replace(file, runFolder.resolve(NEXT), made + "\n");
      }
      String id = Files.readString(file, StandardCharsets.US_ASCII).strip();
      if (!id.matches("[0-9a-f]{%d}".formatted(DIGITS))) {
        throw Refusal.run(
            "%s: '%s' (expected: %d hexadecimal digits); remove it, and the run gets another one"
                .formatted(file, id, DIGITS));
      }
      return id;
    } catch (IOException e) {
      throw Refusal.run(file + ": cannot be read or written: " + e.getMessage(), e);
    }
  }
}
