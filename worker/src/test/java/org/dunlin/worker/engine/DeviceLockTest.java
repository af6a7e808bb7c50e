package org.dunlin.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;

/** Two workers on one device. */
class DeviceLockTest {
  private static final String DEVICE = "GPU-of-DeviceLockTest";

  @Test
  void shouldNameWhoHasADeviceUntilItIsGivenBack() {
    try (DeviceLock held = DeviceLock.take(DEVICE, "first-0")) {
      assertThat(held).isNotNull();
      assertThatThrownBy(() -> DeviceLock.take(DEVICE, "second-0"))
          .isInstanceOf(Refusal.class)
          .hasMessageStartingWith(
              "--devices: %s is in use by worker first-0 (process %d) (expected: one worker a device)"
                  .formatted(DEVICE, ProcessHandle.current().pid()));
      assertThatCode(() -> DeviceLock.take(DEVICE + "-other", "second-0").close())
          .doesNotThrowAnyException();
    }
    assertThatCode(() -> DeviceLock.take(DEVICE, "second-0").close()).doesNotThrowAnyException();
  }
}
