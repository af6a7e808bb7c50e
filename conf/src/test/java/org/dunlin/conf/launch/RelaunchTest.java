package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RelaunchTest {
  @Test
  void shouldPutAsideWhoNeverGetsToWork() {
    Relaunch next = Relaunch.NONE;
    for (int death = 1; death < Relaunch.MOST_DEATHS; death++) {
      next = next.after(false);
      assertThat(next.pauseMs()).as("after death " + death).isPresent();
    }
    assertThat(next.after(false).pauseMs()).isEmpty();
  }

  @Test
  void shouldForgetDeathsOfWhoGotToWork() {
    Relaunch next = Relaunch.NONE;
    for (int death = 1; death <= 10 * Relaunch.MOST_DEATHS; death++) {
      next = next.after(death % (Relaunch.MOST_DEATHS - 1) == 0);
      assertThat(next.pauseMs()).as("after death " + death).isPresent();
    }
  }
}
