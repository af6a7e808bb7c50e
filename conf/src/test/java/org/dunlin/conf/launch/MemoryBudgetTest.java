package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;
import org.junit.jupiter.api.Test;

class MemoryBudgetTest {
  private static final long TIB = 1L << 40;
  private static final long GIB = 1L << 30;

  @Test
  void shouldRefuseMoreThanTheMachineHasWithBothValues() {
    MemoryBudget budget = new MemoryBudget(TIB, 2 * TIB, TIB, 0, 0, 0, 0);
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
    MemoryBudget budget = new MemoryBudget(1, 2, 1, 3, 4, 5, 6);
    budget.requireDirect();
    budget.requirePhysical(2, 0);
    assertThat(budget.directBytes()).isEqualTo(11);
  }

  @Test
  void shouldRefuseTokenVectorsThatNoBufferHoldsBeforeTheRun() {
    assertThatThrownBy(() -> MemoryBudget.requireBlocks(unified(1024, 513)))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("536870912 numbers, of 1024 passages of 513 tokens")
        .hasMessageContaining("at most 536870880");
    MemoryBudget.requireBlocks(unified(1024, 512));
  }

  @Test
  void shouldNameTotalAndPartsInOneLine() {
    MemoryBudget budget = new MemoryBudget(GIB, 2 * GIB, GIB, 0, 0, 3 * GIB, 5 * GIB);
    assertThat(budget.line())
        .startsWith("memory of each worker: 12.00 GiB at most: parameters 1.00 GiB")
        .contains("activations 3.00 GiB")
        .endsWith("up to 5.00 GiB");
  }

  @Test
  void shouldCountLessForActivationsThatAreRecomputed() {
    MemoryBudget kept = MemoryBudget.of(run(ComputeSpec.PLAIN, 4, 512), 1, 1);
    MemoryBudget again = MemoryBudget.of(run(new ComputeSpec(Precision.FP32, true), 4, 512), 1, 1);
    assertThat(again.activationBytes()).isLessThan(kept.activationBytes() / 2);
    assertThat(MemoryBudget.of(run(ComputeSpec.PLAIN, 4, 512), 3, 2).activationBytes())
        .isEqualTo(3 * kept.activationBytes());
  }

  private static RunSpec unified(int pairs, int tokens) {
    return run(ComputeSpec.PLAIN, pairs, tokens);
  }

  private static RunSpec run(ComputeSpec compute, int pairs, int tokens) {
    return new RunSpec(
        "budget",
        1,
        10,
        new EncoderSpec(
            EncoderSpec.Family.XLM_ROBERTA, 100, 8194, 1, 64, 12, 4, 128, 1e-5, 1, 0, 0),
        HeadSpec.unified(1024, List.of(0)),
        "",
        "",
        DataSpec.PLAIN,
        new BatchSpec(pairs, 0, 1, 8, 4096, 1, tokens, tokens, 1),
        LossSpec.contrastive(LossSpec.Pooling.CLS, true, 0.02, false),
        new OptimizerSpec(1e-5, OptimizerSpec.Schedule.CONSTANT, 0, 0, 0.9, 0.999, 1e-8, 1),
        compute);
  }
}
