package org.dunlin.it.benchmark;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Refusal;
import org.dunlin.worker.collective.driver.DriverProcess;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Sums and gathers among processes of this host: Dunlin, and gloo doing the same. */
@Command(
    name = "collectives",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "Times all-reduce and all-gather of Dunlin and of PyTorch's gloo, alternating.",
      "Example: ./dunlin benchmark collectives --python .venv-peer/bin/python --members 2,4"
    })
final class CollectivesBenchmark implements Callable<Integer> {
  private static final double BYTES_TO_GB = Float.BYTES / 1e6; // floats a millisecond

  // A small gather is a matter of who gets a core when: a few rounds of it say nothing.
  private static final int MORE_SMALL = 10;

  private static final String DRIVER = DriverProcess.class.getName();

  @Option(names = "--python", description = "A Python that has torch.")
  private String python = "python3";

  @Option(names = "--members", split = ",", description = "Numbers of processes.")
  private List<Integer> members = List.of(2, 4);

  @Option(names = "--floats", description = "Of the all-reduce.")
  private int floats = 22_000_000;

  @Option(names = "--gathered", description = "Floats a process of the small all-gather.")
  private int gathered = 16_384;

  @Option(
      names = "--rounds",
      description = "Of each side that are timed; of the small all-gather ten times as many.")
  private int rounds = 9;

  @Option(names = "--warmup", description = "Rounds before that.")
  private int warmup = 4;

  @Option(names = "--idle", description = "Seconds in which the media driver is watched, idle.")
  private int idleSeconds = 30;

  @Override
  public Integer call() throws IOException, InterruptedException {
    System.out.printf(
        "%d floats summed, %d a process gathered, %d alternating rounds%n",
        floats, gathered, rounds);
    System.out.printf(
        "%-24s %24s %24s %30s%n",
        "", "Dunlin ms (min-max)", "gloo ms (min-max)", "gloo's time / this (min-max)");
    for (int count : members) {
      measure(count);
    }
    return 0;
  }

  private void measure(int count) throws IOException, InterruptedException {
    Path script = Files.createTempFile("bench_gloo", ".py");
    try (InputStream text = CollectivesBenchmark.class.getResourceAsStream("bench_gloo.py")) {
      Files.copy(text, script, StandardCopyOption.REPLACE_EXISTING);
    }
    try (Group own = new Group(ownCommands(count));
        Group peer = new Group(peerCommands(count, script))) {
      own.tell(String.join(" ", own.hear()));
      own.hear();
      peer.hear();
      if (idleSeconds > 0) {
        System.out.printf(
            "%-24s %.2f %% of a core for the host's media driver in %d s%n",
            count + " idle", idleShare(), idleSeconds);
      }
      double reduceMs = compare(count + " all-reduce", own, peer, "ar " + floats, rounds);
      compare(count + " all-gather", own, peer, "ag " + gathered, MORE_SMALL * rounds);
      double busGbs = 2.0 * (count - 1) / count * floats * BYTES_TO_GB / reduceMs;
      double oneWayGbs = floats * BYTES_TO_GB / median(times(own, "one-way " + floats));
      double memoryGbs = 3.0 * floats * BYTES_TO_GB / median(times(own, "sum " + floats));
      System.out.printf(
          "%-24s %.2f GB/s: %.0f %% of one way between two (%.2f GB/s), %.0f %% of memory (%.2f GB/s, all at once)%n",
          count + " bus bandwidth",
          busGbs,
          100 * busGbs / oneWayGbs,
          oneWayGbs,
          100 * busGbs / memoryGbs,
          memoryGbs);
    } finally {
      Files.deleteIfExists(script);
    }
  }

  private double idleShare() throws InterruptedException {
    ProcessHandle driver =
        ProcessHandle.allProcesses()
            .filter(CollectivesBenchmark::isDriver)
            .findFirst()
            .orElseThrow(
                () -> Refusal.run("the host's media driver is not seen (expected: a process)"));
    long beganMs = cpuMs(driver);
    Thread.sleep(TimeUnit.SECONDS.toMillis(idleSeconds));
    return (cpuMs(driver) - beganMs) / (10.0 * idleSeconds);
  }

  // Java's own view of a command line ends after 4096 characters, within the class path.
  private static boolean isDriver(ProcessHandle process) {
    try {
      return Files.readString(Path.of("/proc", Long.toString(process.pid()), "cmdline"))
          .contains(DRIVER);
    } catch (IOException e) {
      return false; // it has ended
    }
  }

  private static long cpuMs(ProcessHandle process) {
    return process
        .info()
        .totalCpuDuration()
        .map(Duration::toMillis)
        .orElseThrow(() -> Refusal.run("the host's media driver has ended"));
  }

  private static List<List<String>> ownCommands(int count) {
    List<List<String>> commands = new ArrayList<>();
    for (int m = 0; m < count; m++) {
      commands.add(CollectivesMember.command(m));
    }
    return commands;
  }

  private List<List<String>> peerCommands(int count, Path script) throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    List<List<String>> commands = new ArrayList<>();
    for (int m = 0; m < count; m++) {
      commands.add(List.of(python, script.toString(), "" + m, "" + count, "" + port));
    }
    return commands;
  }

  private double compare(String name, Group own, Group peer, String request, int timed) {
    double[] ownMs = new double[timed];
    double[] peerMs = new double[timed];
    double[] ratios = new double[timed];
    for (int round = -warmup; round < timed; round++) {
      double mine = own.time(request);
      double theirs = peer.time(request);
      if (round >= 0) {
        ownMs[round] = mine;
        peerMs[round] = theirs;
        ratios[round] = theirs / mine;
      }
    }
    System.out.printf("%-24s %24s %24s %30s%n", name, text(ownMs), text(peerMs), text(ratios));
    return median(ownMs);
  }

  private double[] times(Group own, String request) {
    double[] ms = new double[rounds];
    for (int round = -warmup; round < rounds; round++) {
      double once = own.time(request);
      if (round >= 0) {
        ms[round] = once;
      }
    }
    return ms;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private static String text(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return "%.2f (%.2f-%.2f)"
        .formatted(sorted[sorted.length / 2], sorted[0], sorted[sorted.length - 1]);
  }
}
