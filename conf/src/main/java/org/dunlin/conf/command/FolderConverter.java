package org.dunlin.conf.command;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.dunlin.data.checkpoint.FolderName;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Takes the folder of a checkpoint as the settings do: a path or a URI. */
final class FolderConverter implements ITypeConverter<Path> {
  @Override
  public Path convert(String name) {
    try {
      return FolderName.path(name);
    } catch (InvalidPathException e) {
      throw new TypeConversionException(
          "'%s' is no folder: %s (expected: a path, or a URI of a file system on the class path)"
              .formatted(name, e.getReason()));
    }
  }
}
