package org.dunlin.worker.collective.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.PrimitiveIterator;
import java.util.stream.LongStream;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is said of a host before members meet on it. */
class HostCheckTest {
  /** So many that no machine's shared memory holds their streams. */
  private static final int TOO_MANY = 30_000;

  @TempDir private Path folder;

  @Test
  void shouldTakeTheSecondFolderWhereTheFirstIsNotThere() {
    assertThat(HostCheck.sharedMemory(folder, folder, 1)).isEmpty();
    assertThat(HostCheck.sharedMemory(folder.resolve("absent"), folder, 1).orElseThrow())
        .startsWith(folder.resolve("absent") + " has 0 MiB free (expected: at least 16 MiB for 1")
        .endsWith("until then " + folder + ", which may be slower, is used");
  }

  @Test
  void shouldRefuseMembersThatFitNowhere() {
    assertThatThrownBy(() -> HostCheck.sharedMemory(folder, folder, TOO_MANY))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith(folder + " has ")
        .hasMessageContaining("(expected: at least ")
        .hasMessageContaining("--shm-size=");
  }

  @Test
  void shouldTrustAClockThatMovesAndNoOther() {
    assertThat(Clock.wrong(System::nanoTime)).isEmpty();
    assertThat(Clock.wrong(() -> 7).orElseThrow()).contains("clock stood still while it was read");
    PrimitiveIterator.OfLong back = LongStream.of(10, 20, 13).iterator();
    assertThat(Clock.wrong(back::nextLong).orElseThrow())
        .startsWith("this machine's clock went back by 7 ns (expected: never");
    PrimitiveIterator.OfLong coarse = LongStream.iterate(0, now -> now + 16_000_000).iterator();
    assertThat(Clock.wrong(coarse::nextLong).orElseThrow())
        .startsWith("this machine's clock moves in steps of 16 ms (expected: steps of at most 10");
  }

  @Test
  void shouldNameAClockSourceThatIsSlow() {
    assertThat(Clock.sourceWarning("tsc")).isEmpty();
    assertThat(Clock.sourceWarning("hpet").orElseThrow())
        .startsWith("the kernel's clock source is hpet (expected: tsc, ")
        .contains("echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource");
  }
}
