package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** How an absent coordinator is waited for, without waiting. */
class BackOffTest {
  private static final long LIMIT_MS = 120_000;

  @Test
  void shouldPauseLongerEachTimeTellNowAndThenAndEndWithTheLimit() {
    BackOff backOff = new BackOff(LIMIT_MS);
    List<Long> pauses = new ArrayList<>();
    List<Long> toldAtMs = new ArrayList<>();
    long nowMs = 0;
    Optional<BackOff.Next> next = backOff.after(1, nowMs, -1);
    for (int attempts = 2; next.isPresent(); attempts++) {
      pauses.add(next.get().pauseMs());
      if (next.get().tells()) {
        toldAtMs.add(nowMs);
      }
      nowMs += next.get().pauseMs();
      next =
          backOff.after(
              attempts, nowMs, toldAtMs.isEmpty() ? -1 : nowMs - toldAtMs.get(toldAtMs.size() - 1));
    }
    assertThat(nowMs).isEqualTo(LIMIT_MS);
    assertThat(pauses).startsWith(250L, 500L, 1000L, 2000L, 4000L, 5000L, 5000L);
    assertThat(pauses).allMatch(pause -> pause > 0 && pause <= 5000);
    assertThat(toldAtMs).hasSize(4).startsWith(0L);
  }

  @Test
  void shouldStayBoundedAfterManyAttempts() {
    assertThat(new BackOff(Long.MAX_VALUE).after(Integer.MAX_VALUE, 0, 0))
        .contains(new BackOff.Next(5000, false));
  }

  @Test
  void shouldTryOnceWhereThereIsNoPatience() {
    assertThat(new BackOff(0).after(1, 0, -1)).isEmpty();
  }
}
