package org.dunlin.worker.collective.driver;

import io.aeron.exceptions.AeronException;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Refusal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds the media driver of this host and user, or starts it as a process of its own.
 *
 * <p>Its memory is a folder in {@code /dev/shm}, or in {@code java.io.tmpdir} where that is too
 * small or absent. All processes that see the same folder use the same driver, so containers with a
 * {@code /dev/shm} of their own are hosts of their own.
 */
public final class HostDriver {
  private static final Logger LOG = LoggerFactory.getLogger(HostDriver.class);
  static final Path SHARED_MEMORY = Path.of("/dev/shm");

  /** Changes with the settings of a driver, which its users must agree on. */
  private static final String NAME = "dunlin-driver-2-" + System.getProperty("user.name");

  private static final long START_MS = 30_000;
  private static final long LOOK_MS = 20;

  /** Of a JVM of its own class path: little heap, few threads, no signal of a terminal. */
  private static final String DETACHED =
      "log=$1; shift; trap '' INT HUP; \"$@\" </dev/null >\"$log\" 2>&1 &";

  private static final List<String> FLAGS =
      List.of(
          "-Xmx64m",
          "-XX:MaxDirectMemorySize=256m",
          "-XX:+UseSerialGC",
          "-XX:-UsePerfData",
          "--add-exports",
          "java.base/jdk.internal.misc=ALL-UNNAMED");

  private HostDriver() {}

  /**
   * Connects to the driver; blocks while it starts, within a limit.
   *
   * @param client a name for who uses it, seen in Aeron's own tools
   * @param members how many of a run may be on this host
   * @return to be closed by the caller
   * @throws Refusal where there is no room for it or it does not start
   */
  public static Media connect(String client, int members) {
    return connect(
        client,
        members,
        new DriverFolder(SHARED_MEMORY.resolve(NAME)),
        new DriverFolder(temporary().resolve(NAME)));
  }

  /** Where shared memory lies that does not fit into the right place. */
  static Path temporary() {
    return Path.of(System.getProperty("java.io.tmpdir"));
  }

  static Media connect(String client, int members, DriverFolder first, DriverFolder second) {
    for (KernelLimit limit : KernelLimit.values()) {
      limit.warning().ifPresent(LOG::warn);
    }
    try {
      if (!Files.isDirectory(first.path().getParent())) {
        return connect(client, second);
      }
      long free = first.freeBytes();
      boolean fits = free >= Sizing.leastFolderBytes(members);
      if (first.hasDriver() || (fits && !second.hasDriver())) {
        return connect(client, first);
      }
      if (!fits) {
        LOG.warn(
            "{}; until then {}, which may be slower, is used",
            Sizing.tooSmall(first.path().getParent().toString(), free, members),
            second.path());
      }
      return connect(client, second);
    } catch (IOException | AeronException e) {
      throw Refusal.run("the host's media driver cannot be used: " + e.getMessage(), e);
    }
  }

  // The lock is held until the driver knows its new client, or it might end just now.
  private static Media connect(String client, DriverFolder folder) throws IOException {
    return folder.whileLocked(
        () -> {
          if (!folder.hasDriver()) {
            start(folder);
          }
          return Media.connect(client, folder.path(), folder.id());
        });
  }

  private static void start(DriverFolder folder) throws IOException {
    folder.forgetId();
    List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", DETACHED, "sh"));
    command.add(folder.log().toString());
    command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
    command.addAll(FLAGS);
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(DriverProcess.class.getName(), folder.path().toString()));
    new ProcessBuilder(command)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
    long deadlineNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(START_MS);
    while (!folder.hasDriver()) {
      if (System.nanoTime() > deadlineNs) {
        throw Refusal.run(
            "the host's media driver did not start within %d s; what it said is in %s"
                .formatted(START_MS / 1000, folder.log()));
      }
      try {
        Thread.sleep(LOOK_MS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted while the media driver starts", e);
      }
    }
    LOG.info("started the host's media driver in {}", folder.path());
  }
}
