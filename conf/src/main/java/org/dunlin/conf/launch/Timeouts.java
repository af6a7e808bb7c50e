package org.dunlin.conf.launch;

import java.util.Optional;
import org.dunlin.conf.settings.Settings;
import org.dunlin.protocol.Refusal;
import org.dunlin.worker.collective.driver.DriverSettings;

/** Relations between times that must hold in a run of several processes. */
final class Timeouts {
  /** A pause shorter than a lease disturbs nothing, nor does a heartbeat that is late besides. */
  private static final int LEASES = 2;

  private Timeouts() {}

  static void require(Settings settings) {
    wrong(settings.leaseMs(), DriverSettings.LIVENESS_MS, ClusterNode.membershipPauseMs())
        .ifPresent(
            sentence -> {
              throw Refusal.usage(sentence);
            });
  }

  /** What is wrong, with the mend. */
  static Optional<String> wrong(long leaseMs, long livenessMs, long membershipPauseMs) {
    long mostMs = Math.min(livenessMs, membershipPauseMs) / LEASES;
    return leaseMs <= mostMs
        ? Optional.empty()
        : Optional.of(
            "step.lease-ms: %d (expected: at most %d with several processes, because the media driver takes one for dead after %d ms and the cluster after %d ms); lower it"
                .formatted(leaseMs, mostMs, livenessMs, membershipPauseMs));
  }
}
