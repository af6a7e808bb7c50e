package org.dunlin.it.benchmark;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.dunlin.conf.launch.MemoryBudget;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.step.Memory;
import org.dunlin.worker.step.StepCompute;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Peak resident memory of one training step, each in a process of its own. */
@Command(
    name = "memory",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "Peak resident memory of one step, each measured in a fresh process: by number of passages",
      "and their length, with and without GradCache and recomputation of layers.",
      "Then the three heads at 8 passages of 8192 tokens, of a vocabulary of 250 002.",
      "Example: ./dunlin benchmark memory --passages 2,8 --tokens 512,8192"
    })
final class MemoryBenchmark implements Callable<Integer> {
  private static final double GIB = 1L << 30;
  private static final int MOST_TOKENS = 8192;
  private static final int QUERY_TOKENS = 32;

  @Option(names = "--size", description = "${COMPLETION-CANDIDATES}")
  private BenchModel size = BenchModel.SMALL;

  @Option(names = "--passages", split = ",", description = "Numbers of passages, one a query.")
  private List<Integer> passages = List.of(2, 8);

  @Option(names = "--tokens", split = ",", description = "Lengths of every passage.")
  private List<Integer> tokens = List.of(512, 2048, 8192);

  @Option(names = "--threads", description = "Compute threads.")
  private int threads = 1;

  @Option(
      names = "--bge-m3",
      description = {
        "Instead: a model of BGE-M3's own size with random weights, one unified step of 1 query and",
        "2 passages of 8192 tokens in one slot, with recomputation. Half an hour on two cores."
      })
  private boolean bgeM3;

  @Option(
      names = "--one",
      hidden = true,
      split = ",",
      description = "queries, passages of each, tokens, GradCache, recomputation, unified")
  private List<Integer> one = List.of();

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (!one.isEmpty()) {
      measure();
    } else if (bgeM3) {
      size = BenchModel.LARGE;
      printTitle();
      System.out.println(MemoryBudget.of(spec(1, 2, true, true), threads, 1).line());
      System.out.println(row(1, 2, MOST_TOKENS, false, true, true));
    } else {
      printTitle();
      for (int length : tokens) {
        for (int count : passages) {
          for (int savers = 0; savers < 4; savers++) {
            System.out.println(row(count, 1, length, savers % 2 == 1, savers >= 2, false));
          }
        }
      }
      size = BenchModel.TINY_MULTILINGUAL;
      printTitle();
      System.out.println("the dense head alone, then three heads:");
      System.out.println(row(8, 1, MOST_TOKENS, true, true, false));
      System.out.println(row(8, 1, MOST_TOKENS, true, true, true));
    }
    return 0;
  }

  private void printTitle() {
    System.out.printf("%s, %d compute thread%s, fp32%n", size, threads, threads == 1 ? "" : "s");
  }

  private String row(
      int queries, int group, int length, boolean gradCache, boolean byLayers, boolean unified)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(Benchmark.class.getName(), "memory", "--size", size.name()));
    command.addAll(List.of("--threads", "" + threads, "--one"));
    command.add(
        "%d,%d,%d,%d,%d,%d"
            .formatted(
                queries, group, length, gradCache ? 1 : 0, byLayers ? 1 : 0, unified ? 1 : 0));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int exitCode = process.waitFor();
    return "%3d passages of %4d tokens, GradCache %-3s, recomputation %-3s: %s"
        .formatted(
            queries * group,
            length,
            gradCache ? "on" : "off",
            byLayers ? "on" : "off",
            exitCode == 0 ? said.strip() : "failed (exit code " + exitCode + ")");
  }

  private RunSpec spec(int queries, int group, boolean byLayers, boolean unified) {
    return size.run(
        new BatchSpec(queries, 0, group, 1, MOST_TOKENS, 1, QUERY_TOKENS, MOST_TOKENS, 1),
        unified,
        new ComputeSpec(Precision.FP32, byLayers));
  }

  private void measure() throws IOException {
    int queries = one.get(0);
    int group = one.get(1);
    int length = one.get(2);
    boolean byLayers = one.get(4) == 1;
    RunSpec spec = spec(queries, group, byLayers, one.get(5) == 1);
    Memory memory = new Memory(byLayers, one.get(3) == 1 ? 0 : Long.MAX_VALUE / 2);
    try (StepCompute device = new StepCompute(spec, threads, memory, Optional.empty())) {
      BenchModel.fill(device);
      double before = residentGib("VmHWM");
      int[] queryLengths = new int[queries];
      int[] passageLengths = new int[queries * group];
      Arrays.fill(queryLengths, Math.min(length, QUERY_TOKENS));
      Arrays.fill(passageLengths, length);
      BenchBatch made =
          BenchBatch.of(0, queryLengths, passageLengths, spec.batch(), spec.encoder().vocabulary());
      long startNs = System.nanoTime();
      device.compute(made.header(), made.slots(), new Alone(), new int[] {0, 1});
      device.apply(0);
      System.out.printf(
          Locale.ROOT,
          "peak %5.2f GiB (%.2f before the step), %.1f s%n",
          residentGib("VmHWM"),
          before,
          (System.nanoTime() - startNs) / 1e9);
    }
  }

  // Of the whole process, Java's heap included; Linux tells it.
  private static double residentGib(String what) throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith(what + ":"))
        .mapToDouble(line -> Double.parseDouble(line.replaceAll("[^0-9]", "")) * 1024 / GIB)
        .findFirst()
        .orElseThrow();
  }
}
