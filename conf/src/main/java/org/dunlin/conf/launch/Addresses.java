package org.dunlin.conf.launch;

import java.io.IOException;
import java.net.BindException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.UnknownHostException;
import java.util.Optional;
import org.dunlin.protocol.Refusal;

/**
 * Under which addresses the machines of a run find each other. Names become numbers at once: a node
 * answers only to the very address that it was started with, and machines may differ in names.
 */
final class Addresses {
  /** For documentation: nobody has it, so the way there is the way to everybody. */
  private static final InetSocketAddress ANYBODY = new InetSocketAddress("192.0.2.1", 9);

  private Addresses() {}

  /**
   * The address of a name.
   *
   * @param flag where it was given
   */
  static String numeric(String flag, String name) {
    try {
      InetAddress address = InetAddress.getByName(name);
      if (address.isAnyLocalAddress()) {
        throw Refusal.usage(
            flag + ": " + name + " (expected: one address, under which the others reach this)");
      }
      return address.getHostAddress();
    } catch (UnknownHostException e) {
      throw Refusal.usage(
          "%s: the host name '%s' is not known here (expected: a name that resolves, or an address)"
              .formatted(flag, name));
    }
  }

  /** This machine's address on the way to others; empty where there is no way. */
  static Optional<String> own() {
    return own(ANYBODY);
  }

  static Optional<String> own(InetSocketAddress other) {
    try (DatagramSocket socket = new DatagramSocket()) {
      socket.connect(other); // sends nothing
      InetAddress address = socket.getLocalAddress();
      return address.isAnyLocalAddress() || address.isLoopbackAddress()
          ? Optional.empty()
          : Optional.of(address.getHostAddress());
    } catch (IOException | java.io.UncheckedIOException e) {
      return Optional.empty();
    }
  }

  /** Whether a port of this machine can be listened at. */
  static boolean isFree(String host, int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(host, port));
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** Refuses an address that is not this machine's, and a port that is in use. */
  static void requireFree(String host, int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(true);
      InetSocketAddress address = new InetSocketAddress(host, port);
      if (NetworkInterface.getByInetAddress(address.getAddress()) == null) {
        throw Refusal.usage(
            "cluster.host: %s is no address of this machine (expected: one of its own, as `ip address` lists them); give another --host"
                .formatted(host));
      }
      socket.bind(address);
    } catch (BindException e) {
      throw Refusal.usage(
          "cluster.port: %d of %s is in use or not allowed (expected: a free port); end what uses it, or give another --port, 0 for any free one"
              .formatted(port, host));
    } catch (IOException e) {
      throw Refusal.usage("cluster.host: cannot listen at %s:%d: %s".formatted(host, port, e));
    }
  }
}
