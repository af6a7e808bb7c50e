package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;

import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.worker.engine.EncoderDevice;
import org.junit.jupiter.api.Test;

/** A probe tells kernels apart and is the same wherever they are the same. */
class KernelProbeTest {
  @Test
  void shouldTellOtherKernelsAndNothingElse() {
    String plain = KernelProbe.sha256(ComputeSpec.PLAIN, EncoderDevice.PROCESSOR);
    assertThat(plain)
        .hasSize(64)
        .isEqualTo(KernelProbe.sha256(ComputeSpec.PLAIN, EncoderDevice.PROCESSOR));
    // Recomputed layers give the same bits, so machines that differ in that alone agree.
    assertThat(KernelProbe.sha256(new ComputeSpec(Precision.FP32, true), EncoderDevice.PROCESSOR))
        .isEqualTo(plain);
    assertThat(KernelProbe.sha256(new ComputeSpec(Precision.BF16, false), EncoderDevice.PROCESSOR))
        .isNotEqualTo(plain);
  }
}
