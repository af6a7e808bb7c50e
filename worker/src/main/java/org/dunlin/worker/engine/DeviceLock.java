package org.dunlin.worker.engine;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.dunlin.protocol.Refusal;

/**
 * One worker's hold on one device of this machine, which goes with its process: a locked file in
 * the temporary folder. Processes that see another such folder, as in containers, are not seen.
 */
public final class DeviceLock implements AutoCloseable {
  private final FileChannel channel; // its lock goes with it

  private DeviceLock(FileChannel channel) {
    this.channel = channel;
  }

  /**
   * Takes a device.
   *
   * @param device as CUDA names it: a number, or an identifier
   * @param worker who takes it
   * @return to be closed when the worker has ended
   * @throws Refusal where another worker has it, by that one's name
   */
  public static DeviceLock take(String device, String worker) {
    String name = "dunlin-device-" + device.replaceAll("[^A-Za-z0-9.-]", "_") + ".lock";
    Path file = Path.of(System.getProperty("java.io.tmpdir"), name);
    try {
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      if (!isLocked(channel)) {
        channel.close();
        throw Refusal.usage(
            "--devices: %s is in use by worker %s (expected: one worker a device); give another one, or end that worker"
                .formatted(device, Files.readString(file).strip()));
      }
      String holder = "%s (process %d)".formatted(worker, ProcessHandle.current().pid());
      channel.truncate(0);
      channel.write(ByteBuffer.wrap(holder.getBytes(StandardCharsets.UTF_8)));
      return new DeviceLock(channel);
    } catch (IOException e) {
      throw Refusal.run("--devices: %s cannot be locked: %s".formatted(device, e), e);
    }
  }

  private static boolean isLocked(FileChannel channel) throws IOException {
    try {
      return channel.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false; // another worker of this process
    }
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw Refusal.run("a device's lock cannot be given back: " + e.getMessage(), e);
    }
  }
}
