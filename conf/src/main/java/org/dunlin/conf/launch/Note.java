package org.dunlin.conf.launch;

import org.dunlin.coordinator.report.RunEvent;

/** What a supervisor hears of. */
sealed interface Note {
  /** The coordinator is there, under this address. */
  record Addressed(Child coordinator, String address) implements Note {}

  /** A child tells of the run. */
  record Said(Child child, RunEvent event) implements Note {}

  /** A child's process has ended. */
  record Ended(Child child, int exitCode) implements Note {}

  /** It is time to start a worker that died again. */
  record Due(RunEvent.Member dead) implements Note {}

  /** Another lease is over. */
  record LeaseOver() implements Note {}

  /** By now it should have joined. */
  record JoinDue(Child worker) implements Note {}

  /** A person wants the run to end. */
  record StopAsked() implements Note {}
}
