package org.dunlin.data.samples;

import java.nio.file.Path;

/**
 * One file of the training data.
 *
 * @param path of the file
 * @param entry what the person named: the file itself or its folder
 * @param firstRow number of its first row through all files
 * @param rows how many it has
 * @param facts what its rows say of it
 */
public record SampleFile(Path path, Path entry, int firstRow, int rows, FileFacts facts) {

  /** Whether the person named its folder. */
  public boolean isInFolder() {
    return !path.equals(entry);
  }
}
