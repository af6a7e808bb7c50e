package org.dunlin.worker.collective.driver;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SizingTest {
  private static final int KIB = 1 << 10;
  private static final long MIB = 1 << 20;

  @ParameterizedTest
  @CsvSource({
    "2, 24000, 4096",
    "4, 24000, 4096",
    "2, 64, 4096",
    "2, 32, 2048",
    "4, 64, 512",
    "8, 24000, 4096",
    "32, 24000, 4096"
  })
  void takesTheLargestTermsOfWhichTwoGenerationsFit(int members, long freeMib, int expectedKib) {
    int bytes = Sizing.termBytes(freeMib * MIB, members).orElseThrow();

    assertThat(bytes).isEqualTo(expectedKib * KIB);
    assertThat(bytes / 8).isGreaterThanOrEqualTo(Sizing.MOST_MTU_BYTES);
  }

  @Test
  void findsContainersSharedMemoryTooSmallForManyMembers() {
    assertThat(Sizing.termBytes(64 * MIB, 8)).isEmpty();
    assertThat(Sizing.tooSmall("/dev/shm", 64 * MIB, 8))
        .isEqualTo(
            "/dev/shm has 64 MiB free (expected: at least 184 MiB for 8 members on this host); start the container with --shm-size=368m, or: mount -o remount,size=368m /dev/shm");
  }

  @ParameterizedTest
  @CsvSource({"212992, 212992, 131072", "4194304, 2097152, 524288", "65536, 65536, 65536"})
  void keepsTheWindowWithinTheSocketsBuffer(long limit, int socket, int window) {
    assertThat(Sizing.socketBytes(limit)).isEqualTo(socket);
    assertThat(Sizing.windowBytes(socket)).isEqualTo(window);
  }

  @Test
  void namesTheKeyThatRaisesASocketsBuffer() {
    assertThat(Sizing.socketWarning("net.core.rmem_max", 212992))
        .hasValue(
            "net.core.rmem_max: 212992 (expected: at least 2097152, or members on other hosts are served slowly); raise it: sysctl -w net.core.rmem_max=2097152");
    assertThat(Sizing.socketWarning("net.core.rmem_max", 4194304)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "65536, 2097152, 65472",
    "9000, 2097152, 8928",
    "1500, 2097152, 8192",
    "0, 2097152, 8192",
    "65536, 65536, 32768"
  })
  void sendsPacketsAsLargeAsTheInterfaceTakes(int interfaceBytes, int socket, int expected) {
    assertThat(Sizing.mtuBytes(interfaceBytes, socket)).isEqualTo(expected);
  }

  @Test
  void namesTheCommandThatEnlargesPackets() {
    assertThat(Sizing.mtuWarning("eth0", 1500))
        .hasValue(
            "the MTU of eth0: 1500 (expected: at least 8240, or each packet between hosts goes in 6 fragments); where the network takes larger ones: ip link set dev eth0 mtu 9000");
    assertThat(Sizing.mtuWarning("eth0", 9000)).isEmpty();
  }
}
