package org.dunlin.worker.collective.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.aeron.CncFileDescriptor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.agrona.concurrent.UnsafeBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A host's driver as a real process: who starts it, who shares it, and when it ends. */
class HostDriverTest {
  private static final long LIMIT_SECONDS = 60;

  @TempDir private Path temporary;

  private Media connect(String client) {
    DriverFolder only = new DriverFolder(temporary.resolve("driver"));
    return HostDriver.connect(client, 2, only, only);
  }

  private ProcessHandle process() throws IOException {
    Path file = temporary.resolve("driver").resolve(CncFileDescriptor.CNC_FILE);
    try (FileChannel channel = FileChannel.open(file)) {
      ByteBuffer head = ByteBuffer.allocate(CncFileDescriptor.META_DATA_LENGTH);
      channel.read(head, 0);
      return ProcessHandle.of(CncFileDescriptor.pid(new UnsafeBuffer(head))).orElseThrow();
    }
  }

  private static void awaitEnd(ProcessHandle driver) {
    CompletableFuture<ProcessHandle> end = driver.onExit();
    end.orTimeout(LIMIT_SECONDS, TimeUnit.SECONDS).join();
  }

  @Test
  void shouldBeOneForAllAndEndAfterTheLast() throws Exception {
    List<Media> all = new ArrayList<>();
    try (var threads = Executors.newFixedThreadPool(4)) {
      List<Future<Media>> coming = new ArrayList<>();
      for (int c = 0; c < 4; c++) {
        String client = "client " + c;
        coming.add(threads.submit(() -> connect(client)));
      }
      for (Future<Media> one : coming) {
        all.add(one.get(LIMIT_SECONDS, TimeUnit.SECONDS));
      }
    }
    ProcessHandle driver = process();

    assertThat(all.stream().map(Media::driverId).distinct()).hasSize(1);
    assertThat(ProcessHandle.current().children()).doesNotContain(driver);
    all.forEach(Media::close);
    awaitEnd(driver);
    assertThat(temporary.resolve("driver")).doesNotExist();
  }

  @Test
  void shouldBeReplacedAfterItWasKilled() throws Exception {
    long first;
    try (Media media = connect("first")) {
      first = media.driverId();
      process().destroyForcibly();
      awaitEnd(process());
    }
    try (Media media = connect("second")) {
      assertThat(media.driverId()).isNotEqualTo(first);
    }
    ProcessHandle second = process();
    second.destroyForcibly();
    awaitEnd(second);
    assertThat(Files.exists(temporary.resolve("driver.log"))).isTrue();
  }
}
