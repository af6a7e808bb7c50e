package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import io.aeron.driver.MediaDriver;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
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

  /** What is allowed is at most half of what each end of a stream is given before it is lost. */
  @Test
  void shouldLeaveStreamsTwiceEveryLeaseThatIsAllowed() {
    MediaDriver.Context driver = DriverSettings.in(Path.of("never-made"));
    long leastNs =
        LongStream.of(
                driver.imageLivenessTimeoutNs(),
                driver.clientLivenessTimeoutNs(),
                driver.publicationConnectionTimeoutNs())
            .min()
            .getAsLong();
    long pauseMs = ClusterNode.membershipPauseMs();
    int allowed = 0;
    for (long leaseMs = 100; leaseMs <= 100_000; leaseMs += 100) {
      if (Timeouts.wrong(leaseMs, DriverSettings.LIVENESS_MS, pauseMs).isEmpty()) {
        allowed++;
        assertThat(TimeUnit.MILLISECONDS.toNanos(2 * leaseMs)).isLessThanOrEqualTo(leastNs);
      }
    }
    assertThat(allowed).isPositive();
    assertThat(driver.publicationUnblockTimeoutNs()).isGreaterThan(leastNs);
  }

  @Test
  void shouldHoldForTheDefaults() {
    long leaseMs = ConfigFactory.parseString(Settings.reference()).getLong("step.lease-ms");
    assertThat(Timeouts.wrong(leaseMs, DriverSettings.LIVENESS_MS, ClusterNode.membershipPauseMs()))
        .isEmpty();
  }
}
