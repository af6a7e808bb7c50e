package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.worker.engine.DeviceLock;
import org.junit.jupiter.api.Test;

/** One process a device, as far as this machine can show it. */
class DeviceWorkersTest {
  private static JoinRequest request(List<Integer> devices) {
    return new JoinRequest(
        new Endpoint("127.0.0.1", 9),
        Optional.empty(),
        Optional.of("gpu"),
        OptionalInt.of(3),
        devices,
        Duration.ofSeconds(7),
        Optional.of(Path.of("copies")),
        Optional.of(Path.of("traces", "mine.json")));
  }

  @Test
  void shouldGiveEachDeviceAProcessThatHoldsItAndSaysWhy() {
    ConcurrentLinkedQueue<String> lines = new ConcurrentLinkedQueue<>();
    int exitCode;
    try (DeviceLock held = DeviceLock.take("71", "elsewhere-71")) {
      assertThat(held).isNotNull();
      exitCode =
          new DeviceWorkers(request(List.of(70, 71)), StopRequest.byHand(), lines::add).run();
    }
    assertThat(exitCode).isEqualTo(2);
    assertThat(lines)
        .anyMatch(
            line -> line.startsWith("worker gpu-70: --devices: 70 (expected: none: this libt"))
        .anyMatch(line -> line.startsWith("worker gpu-71: --devices: 71 is in use by worker else"))
        .anyMatch(line -> line.startsWith("worker gpu-70 ended with exit code 2; its log is "));
  }

  @Test
  void shouldShowAChildOneOfTheDevicesThatItIsShownItself() {
    assertThat(DeviceWorkers.visible(1, Optional.empty())).isEqualTo("1");
    assertThat(DeviceWorkers.visible(1, Optional.of("4, GPU-5a"))).isEqualTo("GPU-5a");
  }

  @Test
  void shouldHandAChildAllThatItsPersonSaid() {
    JoinRequest all = request(List.of(0, 1));
    assertThat(DeviceWorkerProcess.request(DeviceWorkerProcess.arguments(all, "gpu-1", 1, 2)))
        .isEqualTo(
            new JoinRequest(
                all.coordinator(),
                all.host(),
                Optional.of("gpu-1"),
                OptionalInt.of(2),
                List.of(1),
                all.patience(),
                all.copies(),
                Optional.of(Path.of("traces", "1-mine.json"))));
  }
}
