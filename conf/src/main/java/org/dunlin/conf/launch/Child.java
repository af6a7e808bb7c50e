package org.dunlin.conf.launch;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.regex.Pattern;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.protocol.Refusal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A JVM of this one's class path and flags that lives no longer than this one. What it prints on
 * standard output is read line by line; standard error is its log.
 */
final class Child {
  /**
   * How a child is started.
   *
   * @param environment what it has beside this process's own
   */
  record Plan(
      RunEvent.Member member,
      Class<?> main,
      List<String> arguments,
      long heapMib,
      long directMib,
      Path log,
      Map<String, String> environment) {
    Plan(
        RunEvent.Member member,
        Class<?> main,
        List<String> arguments,
        long heapMib,
        long directMib,
        Path log) {
      this(member, main, arguments, heapMib, directMib, log, Map.of());
    }
  }

  // The decision about a terminal's Ctrl-C, or its end, is the supervisor's alone; what is ignored
  // here stays ignored in the program that this shell becomes.
  private static final String SHIELDED = "trap '' INT HUP; exec \"$0\" \"$@\"";

  // Nine tenths of the address space and the data that limits of this process allow.
  private static final String CONFINED =
      "for l in v d; do m=$(ulimit -S -$l); [ \"$m\" = unlimited ] || ulimit -S -$l $((m / 10 * 9));"
          + " done; "
          + SHIELDED;

  // Flags of this JVM that say how large it is, or that only one JVM at a time can have.
  private static final Pattern OWN_FLAGS =
      Pattern.compile("-Xm[sx].*|-XX:MaxDirectMemorySize=.*|-agent.*|-javaagent.*|-Xrun.*");

  // The launcher sets these; a program that was started otherwise shall compute the same bits.
  private static final Map<String, String> ENVIRONMENT =
      Map.of("OMP_NUM_THREADS", "1", "MKL_CBWR", "AVX2,STRICT", "OPT_OUT_TRACKING", "true");

  private static final long KILL_SECONDS = 20;

  private static final Logger LOG = LoggerFactory.getLogger(Child.class);

  private final RunEvent.Member member;
  private final Process process;
  private final Path log;
  private final long startedNs = System.nanoTime();
  private volatile boolean spoke;

  private Child(RunEvent.Member member, Process process, Path log) {
    this.member = member;
    this.process = process;
    this.log = log;
  }

  /**
   * Starts it.
   *
   * @param line hears each line, on a thread of the child's own
   * @param end hears the exit code, after the last line
   */
  static Child start(Plan plan, Consumer<String> line, IntConsumer end) {
    return start(SHIELDED, plan, line, end);
  }

  /** The same with nine tenths of the memory that limits of this process (ulimit) allow. */
  static Child startConfined(Plan plan, Consumer<String> line, IntConsumer end) {
    return start(CONFINED, plan, line, end);
  }

  private static Child start(String shell, Plan plan, Consumer<String> line, IntConsumer end) {
    ProcessBuilder builder = new ProcessBuilder(command(shell, plan));
    builder.redirectError(ProcessBuilder.Redirect.appendTo(plan.log().toFile()));
    ENVIRONMENT.forEach(builder.environment()::putIfAbsent);
    builder.environment().putAll(plan.environment());
    try {
      Process process = builder.start();
      RunEvent.Member asked = plan.member();
      RunEvent.Member member =
          new RunEvent.Member(asked.role(), asked.name(), asked.incarnation(), process.pid());
      Child child = new Child(member, process, plan.log());
      Thread reader = new Thread(() -> child.read(line, end), "output-of-" + member.name());
      reader.setDaemon(true);
      reader.start();
      return child;
    } catch (IOException e) {
      throw Refusal.run("a process cannot be started: " + e.getMessage(), e);
    }
  }

  private static List<String> command(String shell, Plan plan) {
    List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", shell));
    command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(flag -> !OWN_FLAGS.matcher(flag).matches())
        .forEach(command::add);
    command.add("-Xmx" + plan.heapMib() + "m");
    command.add("-XX:MaxDirectMemorySize=" + plan.directMib() + "m");
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), plan.main().getName()));
    command.addAll(plan.arguments());
    return command;
  }

  private void read(Consumer<String> heard, IntConsumer end) {
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        spoke = true;
        heard.accept(line);
      }
    } catch (IOException e) {
      // The pipe broke with the process; its end says the rest.
      process.destroyForcibly();
    }
    end.accept(process.onExit().join().exitValue());
  }

  /** Role, name, incarnation and pid. */
  RunEvent.Member member() {
    return member;
  }

  /** How long ago it was started. */
  long livedMs() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startedNs);
  }

  /** Whether it printed anything since this was asked last. One asks. */
  boolean spoke() {
    boolean did = spoke;
    spoke = false;
    return did;
  }

  Path log() {
    return log;
  }

  boolean isAlive() {
    return process.isAlive();
  }

  /** Sends it a request; one that it no longer hears is lost. */
  void ask(String request) {
    try {
      process.getOutputStream().write((request + "\n").getBytes(StandardCharsets.UTF_8));
      process.getOutputStream().flush();
    } catch (IOException e) {
      LOG.info("{} hears no more", member, e);
    }
  }

  /** Lets go of it: it then ends by itself. */
  void letGo() {
    try {
      process.getOutputStream().close();
    } catch (IOException e) {
      LOG.info("{} hears no more", member, e);
    }
  }

  /** Waits for its end, not longer than a limit. */
  void awaitEnd(long limitMs) throws InterruptedException {
    if (!process.waitFor(limitMs, TimeUnit.MILLISECONDS)) {
      LOG.warn("{} has not ended within {} ms", member, limitMs);
    }
  }

  /**
   * Ends it, whatever it does, and returns when it has ended; or after a while, where a call into a
   * driver keeps it from ending.
   */
  void kill() {
    process.destroyForcibly();
    process.onExit().completeOnTimeout(process, KILL_SECONDS, TimeUnit.SECONDS).join();
    if (process.isAlive()) {
      LOG.warn("{} was killed and has not ended within {} s", member, KILL_SECONDS);
    }
  }
}
