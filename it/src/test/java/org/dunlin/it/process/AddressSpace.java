package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What a worker maps on this machine, and a limit of it. */
final class AddressSpace {
  private AddressSpace() {}

  /**
   * The most that a worker of such a run has mapped when it has trained on next to nothing: what
   * differs from machine to machine, with its cores and libraries.
   */
  static long ofIdleWorker(Path folder, Map<String, Object> keys) throws Exception {
    Path data = folder.resolve("two.jsonl");
    String pair = "{\"query\": \"a question\", \"pos\": [\"an answer\"]}\n";
    Files.writeString(data, pair + pair);
    Map<String, Object> small = new HashMap<>(keys);
    Path run = folder.resolve("idle");
    small.put("run.output", run);
    small.put("data.files", List.of(data));
    small.put("batch.size", 2);
    small.put("train.steps", 1_000_000);
    try (Trainer trainer = Trainer.start(run, small)) {
      trainer.awaitLine("step 1/");
      return peakBytes(trainer.process("worker-1"));
    }
  }

  private static long peakBytes(ProcessHandle process) throws IOException {
    Path status = Path.of("/proc", Long.toString(process.pid()), "status");
    return Files.readAllLines(status).stream()
        .filter(line -> line.startsWith("VmPeak:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
        .findFirst()
        .orElseThrow();
  }

  static void limit(ProcessHandle process, long bytes) throws IOException, InterruptedException {
    List<String> command =
        List.of("prlimit", "--pid", Long.toString(process.pid()), "--as=" + bytes);
    assertThat(new ProcessBuilder(command).inheritIO().start().waitFor()).isZero();
  }
}
