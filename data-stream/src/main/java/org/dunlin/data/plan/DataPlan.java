package org.dunlin.data.plan;

import java.util.List;
import java.util.stream.Stream;

/**
 * What a run makes of its files.
 *
 * @param sources from which epochs are planned
 * @param files what each file gives, in their order
 * @param warnings what a person should know before the run
 */
public record DataPlan(Sources sources, List<FileUse> files, List<String> warnings) {
  public DataPlan {
    files = List.copyOf(files);
    warnings = List.copyOf(warnings);
  }

  /** All of it for a person, a line each. */
  public List<String> lines() {
    return Stream.concat(
            files.stream().map(FileUse::line), warnings.stream().map(line -> "warning: " + line))
        .toList();
  }
}
