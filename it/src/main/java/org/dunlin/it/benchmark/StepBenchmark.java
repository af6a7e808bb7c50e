package org.dunlin.it.benchmark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.step.StepCompute;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Whole training steps: Dunlin with several numbers of slots, and PyTorch doing the same step. */
@Command(
    name = "step",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "Times whole training steps of Dunlin and of PyTorch with transformers, alternating.",
      "The peer pads queries and passages to their longest row each, as FlagEmbedding and",
      "sentence-transformers do.",
      "Example: ./dunlin benchmark step --python .venv-peer/bin/python --threads 2 --unified --skewed"
    })
final class StepBenchmark implements Callable<Integer> {
  @Mixin private BenchStep step;

  @Option(names = "--python", description = "A Python that has torch and transformers.")
  private String python = "python3";

  @Option(names = "--threads", description = "Compute threads on both sides.")
  private int threads = 2;

  @Option(names = "--slots", split = ",", description = "Numbers of slots; default 8,threads.")
  private List<Integer> slots = new ArrayList<>();

  @Option(names = "--group", description = "Passages of a query.")
  private int group = 1;

  @Option(
      names = "--skewed",
      description = "Lengths drawn log-normal (median 80, at most 512 tokens), new ones each step.")
  private boolean skewed;

  @Option(names = "--precision", description = "FP32, or BF16: the peer's is autocast.")
  private Precision precision = Precision.FP32;

  @Option(names = "--rounds", description = "Steps of each side that are timed.")
  private int rounds = 9;

  @Option(names = "--warmup", description = "Steps of each side before that.")
  private int warmup = 2;

  // As the default of micro-batch.tokens and of the lengths texts are cut to.
  private static final int MICRO_BATCH_TOKENS = 4096;
  private static final int MOST_TOKENS = 512;

  private record Side(
      String name, StepCompute device, List<BenchBatch> batches, int slots, double[] ms) {

    double step(long step, int number) {
      BenchBatch batch = batches.get(number % batches.size());
      long startNs = System.nanoTime();
      device.compute(batch.header(), batch.slots(), new Alone(), new int[] {0, slots});
      device.apply(step);
      return (System.nanoTime() - startNs) / 1e6;
    }
  }

  @Override
  public Integer call() throws IOException {
    List<BenchLengths> lengths =
        skewed
            ? BenchLengths.skewed(rounds, step.queries(), group)
            : BenchLengths.uniform(step.queries(), group, step.queryTokens(), step.passageTokens());
    double[] peerMs = new double[rounds];
    List<Side> sides = new ArrayList<>();
    Path file = BenchLengths.write(lengths);
    try (Peer peer = new Peer(python, "bench_torch", arguments(file))) {
      for (int count : slots.isEmpty() ? List.of(8, threads) : slots) {
        sides.add(side(count, lengths));
      }
      for (Side side : sides) {
        for (int i = 0; i < warmup; i++) {
          side.step(i, i);
        }
      }
      for (int round = 0; round < rounds; round++) {
        for (Side side : sides) {
          side.ms()[round] = side.step(warmup + round, round);
        }
        peerMs[round] = peer.step();
      }
    } finally {
      sides.forEach(side -> side.device().close());
      Files.delete(file);
    }
    print(sides, peerMs, lengths);
    return 0;
  }

  private List<String> arguments(Path lengths) {
    List<String> arguments = new ArrayList<>();
    arguments.addAll(List.of("--size", step.size().name().toLowerCase(Locale.ROOT)));
    arguments.addAll(List.of("--threads", "" + threads, "--warmup", "" + warmup));
    arguments.addAll(List.of("--group", "" + group, "--lengths", lengths.toString()));
    arguments.addAll(List.of("--precision", precision.name().toLowerCase(Locale.ROOT)));
    if (step.unified()) {
      arguments.add("--unified");
    }
    return arguments;
  }

  private Side side(int slotCount, List<BenchLengths> lengths) {
    int most = Math.max(MOST_TOKENS, Math.max(step.queryTokens(), step.passageTokens()));
    int microBatchTokens = Math.max(MICRO_BATCH_TOKENS, most);
    BatchSpec batch =
        new BatchSpec(step.queries(), 0, group, slotCount, microBatchTokens, 1, most, most, 1);
    RunSpec spec = step.size().run(batch, step.unified(), new ComputeSpec(precision, false));
    StepCompute device = new StepCompute(spec, threads);
    BenchModel.fill(device);
    List<BenchBatch> batches = new ArrayList<>();
    for (BenchLengths one : lengths) {
      batches.add(
          BenchBatch.of(
              batches.size(), one.queries(), one.passages(), batch, spec.encoder().vocabulary()));
    }
    return new Side("Dunlin, slots = " + slotCount, device, batches, slotCount, new double[rounds]);
  }

  private void print(List<Side> sides, double[] peerMs, List<BenchLengths> lengths) {
    System.out.printf(
        "%s, %d threads, %s, %d queries with %d passage%s each, %s, %s, %d alternating steps%n",
        step.size(),
        threads,
        step.heads(),
        step.queries(),
        group,
        group == 1 ? "" : "s",
        skewed ? "skewed lengths" : step.queryTokens() + " + " + step.passageTokens() + " tokens",
        precision,
        rounds);
    long real = lengths.stream().mapToLong(BenchLengths::tokens).sum();
    long padded = lengths.stream().mapToLong(BenchLengths::padded).sum();
    System.out.printf(
        Locale.ROOT,
        "of the peer's tokens %.0f %% are padding%n",
        100.0 * (padded - real) / padded);
    System.out.printf(
        "%-22s %26s %34s%n", "", "ms/step median (min-max)", "PyTorch's time / this (min-max)");
    for (Side side : sides) {
      double[] ratios = new double[rounds];
      for (int r = 0; r < rounds; r++) {
        ratios[r] = peerMs[r] / side.ms()[r];
      }
      System.out.printf("%-22s %26s %34s%n", side.name(), text(side.ms(), 0), text(ratios, 2));
    }
    System.out.printf("%-22s %26s %34s%n", "PyTorch, transformers", text(peerMs, 0), "1");
  }

  private static String text(double[] values, int digits) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    String format = "%." + digits + "f (%." + digits + "f-%." + digits + "f)";
    return format.formatted(sorted[sorted.length / 2], sorted[0], sorted[sorted.length - 1]);
  }
}
