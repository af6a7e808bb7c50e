package org.dunlin.protocol.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The loss scale follows PyTorch's rules (the reference's section 5.8), within its bounds. */
class ScalarsTest {
  @Test
  void shouldDoubleTheScaleAfterTwoThousandGoodStepsInARow() {
    Scalars scalars = good(Scalars.first(Precision.FP16), 1999);
    assertThat(scalars).isEqualTo(new Scalars(1999, 65536, 1999));
    scalars = good(scalars, 1);
    assertThat(scalars).isEqualTo(new Scalars(2000, 131072, 0));
    assertThat(good(scalars, 2000)).isEqualTo(new Scalars(4000, 262144, 0));
  }

  @Test
  void shouldHalveItWithASkippedStepWhichIsNoUpdate() {
    Scalars scalars = good(Scalars.first(Precision.FP16), 1999).after(Precision.FP16, false);
    assertThat(scalars).isEqualTo(new Scalars(1999, 32768, 0));
    assertThat(good(scalars, 1999).lossScale()).isEqualTo(32768);
    assertThat(good(scalars, 2000).lossScale()).isEqualTo(65536);
  }

  @Test
  void shouldStayWithinItsBounds() {
    Scalars scalars = Scalars.first(Precision.FP16);
    for (int skip = 0; skip < 16; skip++) {
      assertThat(scalars.mayFall()).isTrue();
      scalars = scalars.after(Precision.FP16, false);
    }
    assertThat(scalars).isEqualTo(new Scalars(0, 1, 0));
    assertThat(scalars.mayFall()).isFalse();
    assertThat(scalars.after(Precision.FP16, false)).isEqualTo(scalars);
    assertThat(good(scalars, 40 * 2000).lossScale()).isEqualTo(Scalars.MOST_SCALE);
  }

  @ParameterizedTest
  @EnumSource(names = {"FP32", "BF16"})
  void shouldOnlyCountUpdatesWithoutFp16(Precision precision) {
    Scalars scalars = Scalars.first(precision);
    assertThat(scalars.mayFall()).isFalse();
    for (int step = 0; step < 3000; step++) {
      scalars = scalars.after(precision, step % 3 != 0);
    }
    assertThat(scalars).isEqualTo(new Scalars(2000, 1, 0));
  }

  @Test
  void shouldRefuseWhatNoStepLeadsTo() {
    assertThatThrownBy(() -> new Scalars(-1, 1, 0)).hasMessage("updates: -1 (expected: >= 0)");
    assertThatThrownBy(() -> new Scalars(0, 3, 0)).hasMessageContaining("a power of 2");
    assertThatThrownBy(() -> new Scalars(0, 0.5, 0)).hasMessageContaining("loss scale: 0.5");
    assertThatThrownBy(() -> new Scalars(0, 1, 2000)).hasMessageContaining("good steps: 2000");
  }

  private static Scalars good(Scalars from, int steps) {
    Scalars scalars = from;
    for (int step = 0; step < steps; step++) {
      scalars = scalars.after(Precision.FP16, true);
    }
    return scalars;
  }
}
