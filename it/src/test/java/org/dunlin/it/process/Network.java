package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Hosts that are network namespaces of this machine, on one switch whose cables can be pulled; each
 * has shared memory of its own. Needs root, and {@code ip} of iproute2. Close it: what runs on the
 * hosts must have ended.
 */
final class Network implements AutoCloseable {
  private static final String PREFIX = "10.213.77.";

  private final String name = "dunlin-" + ProcessHandle.current().pid() + "-";
  private final int hosts;
  private final List<String> made = new ArrayList<>();

  private Network(int hosts) {
    this.hosts = hosts;
  }

  /** Whether this machine allows it. */
  static boolean isPossible() {
    String name = "dunlin-" + ProcessHandle.current().pid() + "-try";
    try {
      return execute(List.of("ip", "netns", "add", name)).isEmpty()
          && execute(List.of("ip", "netns", "exec", name, "unshare", "-m", "true")).isEmpty()
          && execute(List.of("ip", "netns", "del", name)).isEmpty();
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /**
   * Makes it.
   *
   * @param hosts numbered from 1
   */
  static Network of(int hosts) throws IOException, InterruptedException {
    Network network = new Network(hosts);
    try {
      network.make();
      return network;
    } catch (IOException | InterruptedException | AssertionError e) {
      network.close();
      throw e;
    }
  }

  private void make() throws IOException, InterruptedException {
    String hub = add("hub");
    inside(hub, "link", "add", "switch", "type", "bridge");
    inside(hub, "link", "set", "switch", "up");
    for (int host = 1; host <= hosts; host++) {
      String own = add(Integer.toString(host));
      String port = "port" + host;
      inside(hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", own);
      inside(hub, "link", "set", port, "master", "switch", "up");
      inside(own, "addr", "add", address(host) + "/24", "dev", "eth0");
      inside(own, "link", "set", "eth0", "up");
      inside(own, "link", "set", "lo", "up");
    }
  }

  private String add(String suffix) throws IOException, InterruptedException {
    ip("netns", "add", name + suffix);
    made.add(name + suffix);
    return name + suffix;
  }

  /** A host's address. */
  String address(int host) {
    return PREFIX + host;
  }

  /** What comes before a command that is to run on a host. */
  List<String> on(int host) {
    String ownMemory = "mount -t tmpfs -o size=1g tmpfs /dev/shm && exec \"$0\" \"$@\"";
    return List.of("ip", "netns", "exec", name + host, "unshare", "-m", "sh", "-c", ownMemory);
  }

  /** Pulls a host's cable. */
  void cut(int host) throws IOException, InterruptedException {
    inside(name + "hub", "link", "set", "port" + host, "down");
  }

  /** Puts it back. */
  void mend(int host) throws IOException, InterruptedException {
    inside(name + "hub", "link", "set", "port" + host, "up");
  }

  private static void inside(String namespace, String... arguments)
      throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(List.of("-n", namespace));
    all.addAll(List.of(arguments));
    ip(all.toArray(String[]::new));
  }

  private static void ip(String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments));
    assertThat(execute(command)).as("%s", command).isEmpty();
  }

  /** What it complains of. */
  private static String execute(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return process.waitFor() == 0 ? "" : said + "exit code " + process.exitValue();
  }

  @Override
  public void close() {
    for (String namespace : made.reversed()) {
      try {
        execute(List.of("ip", "netns", "del", namespace));
      } catch (IOException e) {
        throw new AssertionError(e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
