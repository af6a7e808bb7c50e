package org.dunlin.coordinator.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class AuditPlanTest {
  private static List<Long> audited(AuditPlan plan, long from, long end) {
    return LongStream.range(from, end).filter(plan::audits).boxed().toList();
  }

  @Test
  void shouldAuditOneStepInEachWindowAndNotAlwaysTheSame() {
    AuditPlan plan = new AuditPlan(10, 42);
    List<Long> all = audited(plan, 0, 1000);
    assertThat(all).hasSize(100);
    for (int window = 0; window < 100; window++) {
      assertThat(all.get(window)).isBetween(10L * window, 10L * window + 9);
    }
    assertThat(all.stream().map(step -> step % 10).distinct()).hasSize(10);
  }

  @Test
  void shouldDependOnTheSeedAndTheStepAlone() {
    assertThat(audited(new AuditPlan(10, 42), 500, 1000))
        .isEqualTo(audited(new AuditPlan(10, 42), 0, 1000).subList(50, 100));
    assertThat(audited(new AuditPlan(10, 43), 0, 1000))
        .isNotEqualTo(audited(new AuditPlan(10, 42), 0, 1000));
  }

  @Test
  void shouldAuditAllOrNone() {
    assertThat(audited(new AuditPlan(1, 42), 0, 5)).hasSize(5);
    assertThat(audited(AuditPlan.NONE, 0, 1000)).isEmpty();
    assertThat(new AuditPlan(Integer.MAX_VALUE, 1).audits(Long.MAX_VALUE)).isFalse();
    assertThatThrownBy(() -> new AuditPlan(-1, 42))
        .hasMessage("every: -1 (expected: 0 to 2147483647)");
  }
}
