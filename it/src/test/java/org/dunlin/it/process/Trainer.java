package org.dunlin.it.process;

import static java.nio.file.StandardWatchEventKinds.ENTRY_CREATE;
import static java.nio.file.StandardWatchEventKinds.ENTRY_MODIFY;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.dunlin.conf.command.Dunlin;

/** A {@code dunlin} command in a JVM of its own. Close it: that leaves no process behind. */
final class Trainer implements AutoCloseable {
  private static final String END = "(end of output)";

  private final Path runFolder;
  private final Process process;
  private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
  private final List<String> heard = new ArrayList<>();

  private Trainer(Path runFolder, Process process) {
    this.runFolder = runFolder;
    this.process = process;
    Thread reader = new Thread(this::read, "trainer-output");
    reader.setDaemon(true);
    reader.start();
  }

  static Trainer start(Path runFolder, long steps, int workers) throws IOException {
    return start(runFolder, Golden.keys(runFolder, steps, workers));
  }

  static Trainer start(Path runFolder, Map<String, Object> keys) throws IOException {
    return start(runFolder, "train", keys);
  }

  /** Within an address space that is limited for all its processes; its own heap is small then. */
  static Trainer startWithin(long addressBytes, Path runFolder, Map<String, Object> keys)
      throws IOException {
    return start(
        List.of("prlimit", "--as=" + addressBytes),
        List.of("-Xmx512m"),
        runFolder,
        arguments("train", keys),
        Map.of());
  }

  /** A coordinator whose workers are started by hand, at any free port. */
  static Trainer coordinator(Path runFolder, Map<String, Object> keys) throws IOException {
    return start(runFolder, "coordinator", keys);
  }

  /** A command on a host of a {@link Network}, behind what that puts before it. */
  static Trainer on(List<String> before, Path runFolder, String command, Map<String, Object> keys)
      throws IOException {
    return start(before, List.of(), runFolder, arguments(command, keys), Map.of());
  }

  /** A command that has no run folder. */
  static Trainer on(List<String> before, List<String> arguments) throws IOException {
    return start(before, List.of(), Path.of(""), arguments, Map.of());
  }

  /** The same with a working folder of its own. */
  static Trainer coordinatorIn(Path folder, Path runFolder, Map<String, Object> keys)
      throws IOException {
    return start(in(folder), List.of(), runFolder, arguments("coordinator", keys), Map.of());
  }

  private static List<String> in(Path folder) {
    return List.of("sh", "-c", "cd '%s' && exec \"$@\"".formatted(folder), "sh");
  }

  private static Trainer start(Path runFolder, String command, Map<String, Object> keys)
      throws IOException {
    return start(List.of(), List.of(), runFolder, arguments(command, keys), Map.of());
  }

  private static List<String> arguments(String command, Map<String, Object> keys) {
    List<String> arguments = new ArrayList<>(List.of(command));
    keys.forEach((key, value) -> arguments.addAll(List.of("--set", key + "=" + text(value))));
    return arguments;
  }

  /** A worker, with some environment of its own. */
  static Trainer worker(Map<String, String> environment, String... arguments) throws IOException {
    return worker(List.of(), environment, arguments);
  }

  /** The same with a working folder of its own. */
  static Trainer workerIn(Path folder, String... arguments) throws IOException {
    return worker(in(folder), Map.of(), arguments);
  }

  private static Trainer worker(
      List<String> before, Map<String, String> environment, String... arguments)
      throws IOException {
    List<String> all = new ArrayList<>(List.of("worker"));
    all.addAll(List.of(arguments));
    return start(before, List.of(), Path.of(""), all, environment);
  }

  /** A proof of what a run has used. */
  static Trainer ledger(Path runFolder) throws IOException {
    return start(
        List.of(), List.of(), runFolder, List.of("ledger", runFolder.toString()), Map.of());
  }

  /** Another program, with the same flags and class path. */
  static Trainer program(Class<?> main, String... arguments) throws IOException {
    return start(List.of(), List.of(), Path.of(""), main, List.of(arguments), Map.of());
  }

  private static Trainer start(
      List<String> before,
      List<String> flags,
      Path runFolder,
      List<String> arguments,
      Map<String, String> environment)
      throws IOException {
    return start(before, flags, runFolder, Dunlin.class, arguments, environment);
  }

  private static Trainer start(
      List<String> before,
      List<String> flags,
      Path runFolder,
      Class<?> main,
      List<String> arguments,
      Map<String, String> environment)
      throws IOException {
    List<String> command = new ArrayList<>(before);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(flag -> !flag.startsWith("-javaagent"))
        .forEach(command::add);
    command.addAll(flags);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    // A thread's own arena would reserve address space, which some tests limit.
    builder.environment().put("MALLOC_ARENA_MAX", "1");
    builder.environment().putAll(environment);
    return new Trainer(runFolder, builder.start());
  }

  private static String text(Object value) {
    return value instanceof List<?> list
        ? list.stream().map(each -> "\"" + each + "\"").collect(Collectors.joining(", ", "[", "]"))
        : value.toString();
  }

  private void read() {
    try (BufferedReader output =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      output.lines().forEach(lines::add);
    } catch (IOException e) {
      lines.add(e.toString());
    }
    lines.add(END);
  }

  /** Waits for a line of its output that begins so. */
  String awaitLine(String start) throws InterruptedException {
    return awaitLine(start, Golden.LIMIT_SECONDS);
  }

  /** The same, for what takes longer than anything else does. */
  String awaitLine(String start, long limitSeconds) throws InterruptedException {
    return awaitLine(line -> line.startsWith(start), limitSeconds);
  }

  /** Waits for a line of its output that holds this. */
  String awaitLineWith(String part) throws InterruptedException {
    return awaitLine(line -> line.contains(part), Golden.LIMIT_SECONDS);
  }

  private String awaitLine(Predicate<String> wanted, long limitSeconds)
      throws InterruptedException {
    String line = "";
    while (!wanted.test(line)) {
      line = lines.poll(limitSeconds, TimeUnit.SECONDS);
      assertThat(line).as("output so far: %s", heard).isNotNull().isNotEqualTo(END);
      heard.add(line);
    }
    return line;
  }

  /** Waits for its end and gives the exit code. */
  int awaitExit() throws InterruptedException {
    if (!process.waitFor(Golden.LIMIT_SECONDS, TimeUnit.SECONDS)) {
      throw new AssertionError(
          "it does not end; output so far: %s, then %s%n%s".formatted(heard, lines, stacks()));
    }
    return process.exitValue();
  }

  private String stacks() {
    StringBuilder all = new StringBuilder();
    for (ProcessHandle each : family()) {
      all.append(each.info().commandLine().orElse("")).append(stacks(each)).append('\n');
    }
    return all.toString();
  }

  /** What the threads of a Java process do. */
  static String stacks(ProcessHandle process) {
    try {
      Process jstack =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "jstack").toString(),
                  Long.toString(process.pid()))
              .redirectErrorStream(true)
              .start();
      return new String(jstack.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** All of its output; waits for its end. */
  List<String> output() throws InterruptedException {
    awaitExit();
    while (!heard.contains(END)) {
      heard.add(requireNonNull(lines.poll(Golden.LIMIT_SECONDS, TimeUnit.SECONDS)));
    }
    return List.copyOf(heard);
  }

  /** The processes that it says it has, by name. */
  ProcessHandle process(String name) throws IOException {
    JsonNode all = new ObjectMapper().readTree(runFolder.resolve("processes.json").toFile());
    for (JsonNode member : all.path("processes")) {
      if (member.path("name").asText().equals(name)) {
        return ProcessHandle.of(member.path("pid").asLong()).orElseThrow();
      }
    }
    throw new AssertionError("no process " + name + " in " + all);
  }

  /** The same, once it is known. */
  ProcessHandle awaitProcess(String name) throws Exception {
    try (WatchService changes = FileSystems.getDefault().newWatchService()) {
      Files.createDirectories(runFolder).register(changes, ENTRY_CREATE, ENTRY_MODIFY);
      while (!isKnown(name)) {
        WatchKey change = changes.poll(Golden.LIMIT_SECONDS, TimeUnit.SECONDS);
        assertThat(change).as("output so far: %s", lines).isNotNull();
        change.pollEvents();
        change.reset();
      }
      return process(name);
    }
  }

  private boolean isKnown(String name) throws IOException {
    Path file = runFolder.resolve("processes.json");
    return Files.exists(file) && Files.readString(file).contains(name);
  }

  /** Its own process. */
  ProcessHandle handle() {
    return process.toHandle();
  }

  /** The supervisor itself and all its children. */
  List<ProcessHandle> family() {
    List<ProcessHandle> family = new ArrayList<>(process.descendants().toList());
    family.add(process.toHandle());
    return family;
  }

  /** Sends a signal, such as {@code INT} or {@code KILL}, to some processes at once. */
  static void signal(String name, List<ProcessHandle> processes)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of("kill", "-" + name));
    processes.forEach(process -> command.add(Long.toString(process.pid())));
    new ProcessBuilder(command).inheritIO().start().waitFor();
  }

  /** Waits until all of these have ended. */
  static void awaitEnd(List<ProcessHandle> processes) {
    for (ProcessHandle process : processes) {
      process.onExit().orTimeout(Golden.LIMIT_SECONDS, TimeUnit.SECONDS).join();
    }
  }

  @Override
  public void close() {
    family().forEach(ProcessHandle::destroyForcibly);
  }
}
