package org.dunlin.worker.engine;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;

/** What is said of devices that cannot be trained on. */
class DevicesTest {
  @Test
  void shouldRefuseWhatIsNotThereOrNamedTwice() {
    assertThatThrownBy(() -> Devices.require(List.of(0), 0))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("--devices: 0 (expected: less than 0, the CUDA devices");
    assertThatThrownBy(() -> Devices.require(List.of(1, 0, 1), 2))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("--devices: 1 twice (expected: each device once)");
  }

  @Test
  void shouldLetDevicesThatAreTherePass() {
    assertThatCode(() -> Devices.require(List.of())).doesNotThrowAnyException();
    assertThatCode(() -> Devices.require(List.of(0, 1), 2)).doesNotThrowAnyException();
  }
}
