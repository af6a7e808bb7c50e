package org.dunlin.worker.collective.driver;

import io.aeron.CommonContext;
import java.io.IOException;
import java.nio.channels.FileChannel;
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

  /** A driver that is silent so long is dead; it speaks every second. */
  private static final long SILENCE_MS = 10_000;

  private final Path path;

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

  boolean hasDriver() {
    return Files.exists(idFile())
        && CommonContext.isDriverActive(path.toFile(), SILENCE_MS, message -> {});
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
    try (FileChannel channel = open()) {
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
    try (FileChannel channel = open()) {
      return channel.tryLock() != null && work.get();
    } finally {
      IN_PROCESS.unlock();
    }
  }

  private FileChannel open() throws IOException {
    return FileChannel.open(beside("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
  }
}
