package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileStore;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemNotFoundException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Refusal;

/** Writes that a power cut does not take back, and what went wrong with one, in words. */
final class Disk {
  // A part's writer that has not heard yet may make its file while the folder is being removed.
  private static final int MOST_REMOVALS = 3;

  private static final int COPY_BYTES = 1 << 20;

  private Disk() {}

  /** Writes all of a buffer where the channel is. */
  static void write(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      if (channel.write(bytes) <= 0) {
        throw new IOException("the disk takes no more");
      }
    }
  }

  /** Makes what was written durable. A store of objects does so when they are closed. */
  static void force(Channel channel) throws IOException {
    if (channel instanceof FileChannel file) {
      file.force(true);
    }
  }

  /** Writes a whole file under a temporary name, then gives it its own; durable on return. */
  static void write(Path file, byte[] bytes) throws IOException {
    Path partial = partial(file);
    try (SeekableByteChannel channel =
        Files.newByteChannel(
            partial,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      write(channel, ByteBuffer.wrap(bytes));
      force(channel);
    }
    rename(partial, file);
  }

  /**
   * Copies a file under a temporary name, then gives it its own; durable on return.
   *
   * @param sha256 of its bytes; a file of others is a Refusal
   */
  static void copy(Path from, Path file, String sha256) throws IOException {
    Path partial = partial(file);
    MessageDigest digest = Sha256.digest();
    ByteBuffer bytes = ByteBuffer.allocateDirect(COPY_BYTES);
    try (SeekableByteChannel source = Files.newByteChannel(from, StandardOpenOption.READ);
        SeekableByteChannel target =
            Files.newByteChannel(
                partial,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
      while (source.read(bytes.clear()) >= 0) {
        digest.update(bytes.flip().duplicate());
        write(target, bytes);
      }
      String found = HexFormat.of().formatHex(digest.digest());
      if (!found.equals(sha256)) {
        throw Refusal.run(
            "%s: SHA-256 is %s (expected: %s); the file was changed"
                .formatted(from, found, sha256));
      }
      force(target);
    }
    rename(partial, file);
  }

  /** What a file is called while it is written. */
  static Path partial(Path file) {
    return file.resolveSibling("." + file.getFileName() + ".partial");
  }

  /** Gives a durable file its name, durably. */
  static void rename(Path partial, Path file) throws IOException {
    try {
      Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException | FileAlreadyExistsException e) {
      // A store of objects: there a name appears with the whole object or not at all.
      Files.move(partial, file, StandardCopyOption.REPLACE_EXISTING);
    }
    names(file.toAbsolutePath().getParent());
  }

  /** Makes names durable that were made, changed or removed in a folder. */
  static void names(Path folder) throws IOException {
    try (FileChannel channel = FileChannel.open(asFolder(folder), StandardOpenOption.READ)) {
      channel.force(true);
    } catch (UnsupportedOperationException e) {
      // A store of objects has no folders that could be behind their files.
    }
  }

  private static boolean isOnDisk(Path path) {
    return path.getFileSystem().equals(FileSystems.getDefault());
  }

  /** Whether there is a folder. */
  static boolean isFolder(Path folder) {
    return Files.exists(asFolder(folder));
  }

  // A store of objects asks for the slash: its folders are what names begin with. A disk drops it.
  static Path asFolder(Path folder) {
    Path whole = folder.toAbsolutePath();
    return whole.getFileName() == null ? whole : whole.resolveSibling(name(whole) + "/");
  }

  /** Whether two paths lead to one folder, which is there. */
  static boolean isSame(Path folder, Path other) throws IOException {
    return Files.isSameFile(asFolder(folder), asFolder(other));
  }

  /** Whether a file is known not to be there: that it cannot be looked for is no answer. */
  static boolean isAbsent(Path file) {
    if (Files.notExists(file)) {
      return true;
    }
    if (isOnDisk(file) || Files.exists(file)) {
      return false;
    }
    try { // a store of objects may fail for one that is not there; its list is an answer
      return entries(file.getParent()).stream().noneMatch(other -> name(other).equals(name(file)));
    } catch (IOException e) {
      return false;
    }
  }

  /** Refuses to begin what a disk has no room for. */
  static void requireRoom(Path folder, long bytes) throws IOException {
    long free;
    try {
      FileStore store = Files.getFileStore(folder);
      free = store == null ? Long.MAX_VALUE : store.getUsableSpace();
    } catch (UnsupportedOperationException e) {
      return; // such as a store of objects: its room shows when it is written to
    }
    if (free < bytes) {
      throw Refusal.run(
          "%s: the disk has %d MB left (expected: at least %d MB, which the state takes); make room there, or keep fewer checkpoints"
              .formatted(folder, free / 1_000_000, (bytes + 999_999) / 1_000_000));
    }
  }

  /**
   * Removes a checkpoint's folder, if it is there. Its manifest goes first, for good: a death in
   * between leaves no checkpoint that claims to be whole.
   */
  static void removeCheckpoint(Path folder) throws IOException {
    if (Files.deleteIfExists(folder.resolve(Manifest.NAME))) {
      names(folder);
    }
    for (int attempt = 1; isFolder(folder); attempt++) {
      if (attempt > MOST_REMOVALS) {
        throw new DirectoryNotEmptyException(folder.toString());
      }
      for (Path file : entries(folder)) {
        Files.deleteIfExists(file);
      }
      try {
        Files.deleteIfExists(asFolder(folder));
      } catch (DirectoryNotEmptyException e) {
        // It is looked at again.
      }
    }
    names(folder.toAbsolutePath().getParent());
  }

  /** What a folder holds. */
  static List<Path> entries(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.toList();
    } catch (NotDirectoryException e) {
      throw new IOException("is a file (expected: a folder)", e);
    } catch (UncheckedIOException | FileSystemNotFoundException e) { // the latter: no such bucket
      throw new IOException(e.getMessage(), e);
    }
  }

  /** The last part of a path. A store of objects lists folders with a slash at the end. */
  static String name(Path path) {
    String name = path.getFileName().toString();
    return name.endsWith("/") ? name.substring(0, name.length() - 1) : name;
  }

  /** Why an operation failed, as the end of a sentence that has named the file. */
  static String why(IOException e) {
    if (e instanceof NoSuchFileException none) {
      return "there is no " + none.getFile();
    }
    if (e instanceof AccessDeniedException) {
      return "permission denied";
    }
    if (e instanceof FileAlreadyExistsException exists) {
      return exists.getFile() + " exists";
    }
    if (e instanceof FileSystemException other && other.getReason() != null) {
      return other.getReason();
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}
