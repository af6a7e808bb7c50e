package org.dunlin.it.benchmark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.step.StepCompute;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Whole training steps: Dunlin with several numbers of slots, and PyTorch doing the same step. */
@Command(
    name = "step",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "Times whole training steps of Dunlin and of PyTorch with transformers, alternating.",
      "Example: ./dunlin benchmark step --python .venv-peer/bin/python --threads 2"
    })
final class StepBenchmark implements Callable<Integer> {
  @Option(names = "--python", description = "A Python that has torch and transformers.")
  private String python = "python3";

  @Option(names = "--size", description = "${COMPLETION-CANDIDATES}")
  private BenchModel size = BenchModel.SMALL;

  @Option(names = "--threads", description = "Compute threads on both sides.")
  private int threads = 2;

  @Option(names = "--slots", split = ",", description = "Numbers of slots; default 8,threads.")
  private List<Integer> slots = new ArrayList<>();

  @Option(names = "--queries", description = "Pairs of a step.")
  private int queries = 32;

  @Option(names = "--query-tokens", description = "Length of every query.")
  private int queryTokens = 32;

  @Option(names = "--passage-tokens", description = "Length of every passage.")
  private int passageTokens = 128;

  @Option(names = "--precision", description = "FP32, or BF16: the peer's is autocast.")
  private Precision precision = Precision.FP32;

  @Option(names = "--rounds", description = "Steps of each side that are timed.")
  private int rounds = 9;

  @Option(names = "--warmup", description = "Steps of each side before that.")
  private int warmup = 2;

  private record Side(String name, StepCompute device, BenchBatch batch, int slots, double[] ms) {}

  @Override
  public Integer call() throws IOException {
    List<Integer> counts = slots.isEmpty() ? List.of(8, threads) : slots;
    List<String> arguments = new ArrayList<>();
    arguments.addAll(List.of("--size", size.name().toLowerCase(Locale.ROOT)));
    arguments.addAll(List.of("--threads", "" + threads, "--warmup", "" + warmup));
    arguments.addAll(List.of("--queries", "" + queries, "--query-tokens", "" + queryTokens));
    arguments.addAll(List.of("--passage-tokens", "" + passageTokens));
    arguments.addAll(List.of("--precision", precision.name().toLowerCase(Locale.ROOT)));
    double[] peerMs = new double[rounds];
    List<Side> sides = new ArrayList<>();
    try (Peer peer = new Peer(python, arguments)) {
      for (int count : counts) {
        sides.add(side(count));
      }
      for (Side side : sides) {
        for (int i = 0; i < warmup; i++) {
          step(side, i);
        }
      }
      for (int round = 0; round < rounds; round++) {
        for (Side side : sides) {
          side.ms()[round] = step(side, warmup + round);
        }
        peerMs[round] = peer.step();
      }
    } finally {
      sides.forEach(side -> side.device().close());
    }
    print(sides, peerMs);
    return 0;
  }

  private Side side(int slotCount) {
    BatchSpec batch = new BatchSpec(queries, 0, 1, slotCount, 4096, 1, 512, 512, 1);
    RunSpec spec =
        new RunSpec(
            "benchmark",
            1,
            1_000_000,
            size.encoder(),
            HeadSpec.DENSE,
            "",
            "",
            DataSpec.PLAIN,
            batch,
            LossSpec.contrastive(LossSpec.Pooling.CLS, true, 0.02, false),
            new OptimizerSpec(1e-5, OptimizerSpec.Schedule.CONSTANT, 0, 0, 0.9, 0.999, 1e-8, 1),
            new ComputeSpec(precision, false));
    StepCompute device = new StepCompute(spec, threads);
    BenchModel.fill(device);
    int[] queryLengths = new int[queries];
    int[] passageLengths = new int[queries];
    Arrays.fill(queryLengths, queryTokens);
    Arrays.fill(passageLengths, passageTokens);
    BenchBatch made =
        BenchBatch.of(0, queryLengths, passageLengths, batch, size.encoder().vocabulary());
    return new Side("Dunlin, slots = " + slotCount, device, made, slotCount, new double[rounds]);
  }

  private static double step(Side side, long step) {
    long startNs = System.nanoTime();
    side.device()
        .compute(
            side.batch().header(), side.batch().slots(), new Alone(), new int[] {0, side.slots()});
    side.device().apply(step);
    return (System.nanoTime() - startNs) / 1e6;
  }

  private void print(List<Side> sides, double[] peerMs) {
    System.out.printf(
        "%s, %d threads, %d pairs of %d + %d tokens, %s, %d alternating steps%n",
        size, threads, queries, queryTokens, passageTokens, precision, rounds);
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
