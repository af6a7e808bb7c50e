package org.dunlin.data.plan;

import java.nio.file.Path;
import java.util.List;

/**
 * What the plan makes of one file.
 *
 * @param file its path
 * @param rows that it has
 * @param used that an epoch uses, each once
 * @param how its batches are made, in words; empty if none is used
 * @param notes why rows are left out, and what else is not as its rows or name may lead to think
 */
public record FileUse(Path file, int rows, int used, String how, List<String> notes) {
  public FileUse {
    notes = List.copyOf(notes);
  }

  /** One line for a person. */
  public String line() {
    return "%s: %d of %d rows%s%s"
        .formatted(
            file,
            used,
            rows,
            how.isEmpty() ? "" : ", " + how,
            notes.isEmpty() ? "" : "; " + String.join("; ", notes));
  }
}
