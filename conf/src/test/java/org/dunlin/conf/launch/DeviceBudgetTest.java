package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dunlin.protocol.Refusal;
import org.dunlin.worker.step.Memory;
import org.junit.jupiter.api.Test;

/** What of a device's memory goes to what. */
class DeviceBudgetTest {
  private static final long GIB = 1L << 30;

  @Test
  void shouldTakeAsManyThreadsAsTheDeviceHoldsMicroBatches() {
    assertThat(DeviceBudget.of(78 * GIB, 2 * GIB, 10 * GIB, 16).threads()).isEqualTo(7);
    assertThat(DeviceBudget.of(78 * GIB, 2 * GIB, 10 * GIB, 4).threads()).isEqualTo(4);
    assertThat(DeviceBudget.of(8 * GIB, 2 * GIB, 10 * GIB, 4).threads()).isEqualTo(1);
  }

  @Test
  void shouldLeaveHalfOfTheRestToGraphs() {
    DeviceBudget budget = DeviceBudget.of(78 * GIB, 2 * GIB, 10 * GIB, 4);
    assertThat(budget.memory(true)).isEqualTo(new Memory(true, 18 * GIB));
    assertThat(budget.line())
        .isEqualTo(
            "memory of its device: 60.00 GiB of 78.00 GiB that are free at most: parameters 2.00 GiB, activations of 4 compute threads 40.00 GiB, graphs kept to save time up to 18.00 GiB");
    assertThat(DeviceBudget.of(8 * GIB, 2 * GIB, 10 * GIB, 4).keptBytes()).isZero();
  }

  @Test
  void shouldRefuseAModelThatTheDeviceDoesNotHold() {
    assertThatCode(DeviceBudget.of(2 * GIB, 2 * GIB, GIB, 1)::requireParameters)
        .doesNotThrowAnyException();
    assertThatThrownBy(DeviceBudget.of(GIB, 2 * GIB, GIB, 1)::requireParameters)
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(
            "the device has 1.00 GiB of memory free (expected: at least 2.00 GiB");
  }
}
