package org.dunlin.conf.launch;

import java.util.Optional;

/**
 * Whether a worker or a coordinator that died is started again. Pure.
 *
 * @param deaths in a row, each before it had got to work
 */
record Relaunch(int deaths) {
  static final Relaunch NONE = new Relaunch(0);

  /** After so many in a row it is put aside: its machine, or what it was given, is at fault. */
  static final int MOST_DEATHS = 5;

  // The others first do what the dead one had begun: a JVM that starts would take their cores.
  private static final long LEAST_PAUSE_MS = 1_000;

  /** What follows a death. */
  Relaunch after(boolean gotToWork) {
    return new Relaunch(gotToWork ? 1 : deaths + 1);
  }

  /** How long to wait before the next life; empty: there is none. */
  Optional<Long> pauseMs() {
    return deaths < MOST_DEATHS
        ? Optional.of(LEAST_PAUSE_MS << Math.max(0, deaths - 1))
        : Optional.empty();
  }
}
