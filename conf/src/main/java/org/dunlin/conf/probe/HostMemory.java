package org.dunlin.conf.probe;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/**
 * The memory of this machine that processes can still be given, as Linux tells it: what is free or
 * only caches files, and no more than the control groups of this process leave.
 */
public final class HostMemory {
  private static final int KIB = 1 << 10;

  private final Path root;

  /** Of this machine. */
  public HostMemory() {
    this(Path.of("/"));
  }

  /**
   * @param root where {@code proc} and {@code sys} lie
   */
  HostMemory(Path root) {
    this.root = root;
  }

  /** In bytes; empty on a system that does not tell. */
  public OptionalLong availableBytes() {
    OptionalLong machine = number(root.resolve("proc/meminfo"), "MemAvailable:");
    if (machine.isEmpty()) {
      return OptionalLong.empty();
    }
    long available = machine.getAsLong() * KIB;
    for (String line : lines(root.resolve("proc/self/cgroup"))) {
      available = Math.min(available, left(line));
    }
    return OptionalLong.of(available);
  }

  /** What this process holds now, in bytes; empty on a system that does not tell. */
  public OptionalLong residentBytes() {
    return status("VmRSS:");
  }

  /** The most that this process ever held, in bytes; empty on a system that does not tell. */
  public OptionalLong peakBytes() {
    return status("VmHWM:");
  }

  private OptionalLong status(String key) {
    OptionalLong kib = number(root.resolve("proc/self/status"), key);
    return kib.isPresent() ? OptionalLong.of(kib.getAsLong() * KIB) : kib;
  }

  /** What one hierarchy leaves: of all groups from this process's up, the one that leaves least. */
  private long left(String line) {
    String[] parts = line.split(":", 3); // number, controllers, path
    boolean second = parts[1].isEmpty();
    if (!second && !List.of(parts[1].split(",")).contains("memory")) {
      return Long.MAX_VALUE;
    }
    Path top = root.resolve(second ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
    long left = Long.MAX_VALUE;
    // Inside a container the path may be the host's, of which only the end exists here.
    for (Path group = top.resolve(parts[2].substring(1)).normalize();
        group != null && group.startsWith(top);
        group = group.getParent()) {
      left = Math.min(left, leftOf(group, second));
    }
    return left;
  }

  // Cached files that nobody has used lately are given up before anybody is refused memory.
  private static long leftOf(Path group, boolean second) {
    OptionalLong most = number(group.resolve(second ? "memory.max" : "memory.limit_in_bytes"), "");
    OptionalLong used =
        number(group.resolve(second ? "memory.current" : "memory.usage_in_bytes"), "");
    if (most.isEmpty() || used.isEmpty()) {
      return Long.MAX_VALUE;
    }
    String cache = second ? "inactive_file" : "total_inactive_file";
    long cached = number(group.resolve("memory.stat"), cache).orElse(0);
    return Math.max(0, most.getAsLong() - used.getAsLong() + cached);
  }

  /** The number that follows a word at a line's beginning. */
  private static OptionalLong number(Path file, String word) {
    return lines(file).stream()
        .map(line -> line.strip().split("\\s+"))
        .map(words -> word.isEmpty() ? words[0] : words[0].equals(word) ? words[1] : "")
        .filter(text -> text.matches("\\d{1,18}"))
        .mapToLong(Long::parseLong)
        .findFirst();
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      return List.of(); // not told here
    }
  }
}
