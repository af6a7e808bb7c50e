package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;

/** Addresses that a run can use, and what is said of others. */
class AddressesTest {
  @Test
  void shouldTakeANameForItsNumber() {
    assertThat(Addresses.numeric("--host", "localhost")).isEqualTo("127.0.0.1");
    assertThat(Addresses.numeric("--host", "10.1.2.3")).isEqualTo("10.1.2.3");
  }

  @Test
  void shouldRefuseWhatIsNoAddress() {
    assertThatThrownBy(() -> Addresses.numeric("--join", "nobody.invalid"))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("--join: the host name 'nobody.invalid' is not known here");
    assertThatThrownBy(() -> Addresses.numeric("--host", "0.0.0.0"))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("--host: 0.0.0.0 (expected: one address");
  }

  @Test
  void shouldRefuseAPortInUseAndAnAddressOfAnotherMachine() throws Exception {
    assertThatCode(() -> Addresses.requireFree("127.0.0.1", 0)).doesNotThrowAnyException();
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertThatThrownBy(() -> Addresses.requireFree("127.0.0.1", taken.getLocalPort()))
          .isInstanceOf(Refusal.class)
          .hasMessageStartingWith("cluster.port: " + taken.getLocalPort() + " of 127.0.0.1 is in");
    }
    assertThatThrownBy(() -> Addresses.requireFree("192.0.2.77", 0))
        .isInstanceOf(Refusal.class)
        .hasMessageStartingWith("cluster.host: 192.0.2.77 is no address of this machine");
  }

  @Test
  void shouldFindAnAddressOfThisMachine() {
    Addresses.own()
        .ifPresent(
            own -> assertThatCode(() -> Addresses.requireFree(own, 0)).doesNotThrowAnyException());
  }

  @Test
  void shouldHaveNoAddressWhereThereIsNoWayToOthers() {
    assertThat(Addresses.own(new InetSocketAddress(InetAddress.getLoopbackAddress(), 9))).isEmpty();
    assertThat(Addresses.own(InetSocketAddress.createUnresolved("nobody.invalid", 9))).isEmpty();
  }
}
