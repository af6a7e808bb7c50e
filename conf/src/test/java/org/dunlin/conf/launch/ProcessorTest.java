package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.junit.jupiter.api.Test;

class ProcessorTest {
  private static final String OLD = "model name\t: some\nflags\t\t: fpu avx avx2 fma\n";
  private static final String NEW = "flags\t\t: fpu avx2 avx512_bf16 amx_bf16 avx512_fp16\n";
  private static final String ARM = "Features\t: fp asimd asimdhp bf16\n";

  @Test
  void shouldAdviseWhereAProcessorHasNoUnitsForAPrecision() {
    assertThat(Processor.advice(Precision.BF16, OLD))
        .contains(
            "precision = bf16: this machine's processor has no units for it (expected: one of amx_bf16, avx512_bf16, bf16), so a run here is slower than with fp32");
    assertThat(Processor.advice(Precision.FP16, OLD)).get().asString().contains("asimdhp");
    assertThat(Processor.advice(Precision.FP16, "flags : avx512_bf16")).isPresent();
  }

  @Test
  void shouldSayNothingWhereThereIsNothingToSay() {
    assertThat(Processor.advice(Precision.FP32, OLD)).isEmpty();
    for (Precision precision : Precision.values()) {
      assertThat(Processor.advice(precision, NEW)).isEmpty();
      assertThat(Processor.advice(precision, ARM)).isEmpty();
      assertThat(Processor.advice(precision, "")).isEmpty();
    }
  }
}
