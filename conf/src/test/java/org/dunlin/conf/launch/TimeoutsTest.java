package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import org.dunlin.conf.settings.Settings;
import org.dunlin.worker.collective.driver.DriverSettings;
import org.junit.jupiter.api.Test;

/** Times that do not fit each other are found before a run. */
class TimeoutsTest {
  @Test
  void shouldTakeALeaseOfHalfTheShorterOfTheOthers() {
    assertThat(Timeouts.wrong(5_000, 10_000, 30_000)).isEmpty();
    assertThat(Timeouts.wrong(5_001, 10_000, 30_000))
        .contains(
            "step.lease-ms: 5001 (expected: at most 5000 with several processes, because the media driver takes one for dead after 10000 ms and the cluster after 30000 ms); lower it");
    assertThat(Timeouts.wrong(1_001, 10_000, 2_000)).isPresent();
  }

  @Test
  void shouldHoldForTheDefaults() {
    long leaseMs = ConfigFactory.parseString(Settings.reference()).getLong("step.lease-ms");
    assertThat(Timeouts.wrong(leaseMs, DriverSettings.LIVENESS_MS, ClusterNode.membershipPauseMs()))
        .isEmpty();
  }
}
