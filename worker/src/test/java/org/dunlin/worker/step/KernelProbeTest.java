package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.Stream;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.junit.jupiter.api.Test;

/** A probe tells kernels apart and is the same wherever they are the same. */
class KernelProbeTest {
  @Test
  void shouldBeTheSameEachTimeAndAnotherForEachPrecision() {
    assertThat(KernelProbe.sha256(ComputeSpec.PLAIN))
        .hasSize(64)
        .isEqualTo(KernelProbe.sha256(ComputeSpec.PLAIN));
    Stream<String> each =
        Arrays.stream(Precision.values())
            .map(precision -> KernelProbe.sha256(new ComputeSpec(precision, false)));
    assertThat(each).doesNotHaveDuplicates();
  }

  /** Recomputed layers give the same bits, so machines that differ in that alone agree. */
  @Test
  void shouldNotDependOnWhatIsKept() {
    assertThat(KernelProbe.sha256(new ComputeSpec(Precision.FP32, true)))
        .isEqualTo(KernelProbe.sha256(ComputeSpec.PLAIN));
  }
}
