package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;

class MemoryBudgetTest {
  private static final long TIB = 1L << 40;

  @Test
  void shouldRefuseMoreThanTheMachineHasWithBothValues() {
    MemoryBudget budget = new MemoryBudget(TIB, 2 * TIB, TIB, 0, 0);
    assertThatThrownBy(() -> budget.requirePhysical(2, 0))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("at least 8192.00 GiB")
        .hasMessageContaining("2 workers");
    assertThatThrownBy(budget::requireDirect)
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("-XX:MaxDirectMemorySize");
  }

  @Test
  void shouldLetWhatFitsPass() {
    MemoryBudget budget = new MemoryBudget(1, 2, 1, 3, 4);
    budget.requireDirect();
    budget.requirePhysical(2, 0);
    assertThat(budget.directBytes()).isEqualTo(11);
  }
}
