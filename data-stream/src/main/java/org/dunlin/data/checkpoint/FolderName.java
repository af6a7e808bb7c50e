package org.dunlin.data.checkpoint;

import java.net.URI;
import java.nio.file.FileSystemNotFoundException;
import java.nio.file.FileSystems;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * A folder as text of which every process makes the same one: its path on this machine or, as
 * {@code s3://bucket/run}, a URI that a file system on the class path takes.
 */
public final class FolderName {
  // Two letters and more: one is a drive.
  private static final Pattern URI_FORM = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]+://.*");

  private FolderName() {}

  /**
   * The folder of that name, there or not.
   *
   * @throws InvalidPathException in words, also where no file system has the URI's scheme
   */
  public static Path path(String name) {
    if (!URI_FORM.matcher(name).matches()) {
      return Path.of(name);
    }
    try {
      return Path.of(URI.create(name)).toAbsolutePath();
    } catch (FileSystemNotFoundException | IllegalArgumentException e) {
      throw new InvalidPathException(name, e.getMessage());
    }
  }

  /** The way back; a URI's user and password are left out. */
  public static String of(Path folder) {
    return folder.getFileSystem().equals(FileSystems.getDefault())
        ? folder.toString()
        : folder.toUri().toString();
  }
}
