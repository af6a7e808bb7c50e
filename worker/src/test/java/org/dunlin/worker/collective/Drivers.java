package org.dunlin.worker.collective;

import io.aeron.driver.MediaDriver;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.agrona.CloseHelper;
import org.dunlin.worker.collective.driver.DriverSettings;
import org.dunlin.worker.collective.driver.Media;

/** Media drivers in this process, each as if it were of another host. */
final class Drivers implements AutoCloseable {
  private final List<MediaDriver> drivers = new ArrayList<>();

  /**
   * Starts drivers.
   *
   * @param change makes their settings worse
   */
  Drivers(int count, UnaryOperator<MediaDriver.Context> change) {
    for (int d = 0; d < count; d++) {
      drivers.add(MediaDriver.launch(change.apply(DriverSettings.in(folder()))));
    }
  }

  private static Path folder() {
    Path sharedMemory = Path.of("/dev/shm");
    try {
      return Files.isDirectory(sharedMemory)
          ? Files.createTempDirectory(sharedMemory, "dunlin-test")
          : Files.createTempDirectory("dunlin-test");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  MediaDriver driver(int number) {
    return drivers.get(number);
  }

  /** How a member gets at one of them. */
  DataPlane.Source source(int number, String client) {
    return members ->
        Media.connect(client, Path.of(drivers.get(number).aeronDirectoryName()), 1 + number);
  }

  @Override
  public void close() {
    CloseHelper.closeAll(drivers);
  }
}
