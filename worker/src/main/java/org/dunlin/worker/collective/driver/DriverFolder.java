package org.dunlin.worker.collective.driver;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Where a driver's shared memory lies, the lock beside it, and the number that tells this driver
 * from every other one of any host.
 */
final class DriverFolder {
  // File locks are the process's: threads of it take turns here first.
  private static final ReentrantLock IN_PROCESS = new ReentrantLock();

  private final Path path;
  private FileLock running; // a lock that nobody knows any more is given back

  DriverFolder(Path path) {
    this.path = path;
  }

  Path path() {
    return path;
  }

  /** What the driver printed. */
  Path log() {
    return beside("log");
  }

  private Path beside(String kind) {
    return path.resolveSibling(path.getFileName() + "." + kind);
  }

  private Path idFile() {
    return path.resolve("dunlin-id");
  }

  /**
   * Whether a driver runs and may be used. Its heartbeat would tell only seconds after it died; a
   * lock that it holds goes with it.
   */
  boolean hasDriver() throws IOException {
    if (!Files.exists(idFile())) {
      return false;
    }
    IN_PROCESS.lock();
    try (FileChannel channel = open("running")) {
      return channel.tryLock(0, Long.MAX_VALUE, true) == null;
    } finally {
      IN_PROCESS.unlock();
    }
  }

  /** Says that this process runs the driver, until it ends. */
  void holdAsDriver() throws IOException {
    running = open("running").lock();
  }

  /** Whether this process runs the driver. */
  boolean isDriver() {
    return running != null && running.isValid();
  }

  long id() throws IOException {
    return Long.parseUnsignedLong(Files.readString(idFile()), 16);
  }

  /** From now on others may use the driver. */
  void writeId() throws IOException {
    Path next = path.resolve("dunlin-id.next");
    Files.writeString(next, Long.toHexString(new SecureRandom().nextLong()));
    Files.move(next, idFile(), StandardCopyOption.ATOMIC_MOVE);
  }

  void forgetId() throws IOException {
    Files.deleteIfExists(idFile());
  }

  long freeBytes() throws IOException {
    Path there = Files.exists(path) ? path : path.getParent();
    return Files.getFileStore(there).getUsableSpace();
  }

  /** Work under the lock. */
  interface Work<T> {
    T get() throws IOException;
  }

  /** Does something while nobody else starts, takes up or ends the driver; waits for that. */
  <T> T whileLocked(Work<T> work) throws IOException {
    IN_PROCESS.lock();
    try (FileChannel channel = open("lock")) {
      channel.lock();
      return work.get();
    } finally {
      IN_PROCESS.unlock();
    }
  }

  /** As {@link #whileLocked}, or gives false where somebody else has the lock. */
  boolean ifFree(Work<Boolean> work) throws IOException {
    if (!IN_PROCESS.tryLock()) {
      return false;
    }
    try (FileChannel channel = open("lock")) {
      return channel.tryLock() != null && work.get();
    } finally {
      IN_PROCESS.unlock();
    }
  }

  private FileChannel open(String kind) throws IOException {
    return FileChannel.open(
        beside(kind), StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
  }
}
