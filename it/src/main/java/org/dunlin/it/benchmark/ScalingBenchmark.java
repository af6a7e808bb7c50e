package org.dunlin.it.benchmark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.dunlin.it.members.Members;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.ComputeSpec.Precision;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.step.StepCompute;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The same steps by several numbers of workers with one compute thread each. */
@Command(
    name = "scaling",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "What a step's critical path becomes with more workers, each with one compute thread. It is the",
      "processor time of the slowest worker, its computing and its part in the collectives: so it can",
      "be told for more workers than there are cores. Waiting for others, and a network's time, are",
      "not in it. Hidden is that wall time of the collectives during which the worker computed; with",
      "more workers than cores it says little.",
      "Example: ./dunlin benchmark scaling --workers 1,2,4 --unified"
    })
final class ScalingBenchmark implements Callable<Integer> {
  @Mixin private BenchStep step;

  @Option(names = "--workers", split = ",", description = "Numbers of workers.")
  private List<Integer> workers = List.of(1, 2, 4);

  @Option(names = "--slots", description = "Slots of the batch, a power of two.")
  private int slots = 8;

  @Option(names = "--rounds", description = "Steps of each number that are measured.")
  private int rounds = 5;

  private record Row(
      int workers, double criticalMs, double sharedMs, double allMs, double hiddenMs) {}

  @Override
  public Integer call() {
    System.out.printf(
        "%s, %s, %d pairs of %d + %d tokens, %d slots, medians of %d steps%n",
        step.size(),
        step.heads(),
        step.queries(),
        step.queryTokens(),
        step.passageTokens(),
        slots,
        rounds);
    System.out.printf(
        "%7s %18s %9s %22s %26s%n",
        "workers",
        "critical path, ms",
        "speed-up",
        "of it collectives, ms",
        "collectives' wall (hidden)");
    List<Row> rows = workers.stream().map(this::measure).toList();
    for (Row row : rows) {
      System.out.printf(
          "%7d %18.0f %9.2f %22.0f %26s%n",
          row.workers(),
          row.criticalMs(),
          rows.get(0).criticalMs() / row.criticalMs(),
          row.sharedMs(),
          "%.0f (%.0f)".formatted(row.allMs(), row.hiddenMs()));
    }
    return 0;
  }

  private Row measure(int count) {
    RunSpec spec = spec();
    BenchLengths lengths =
        BenchLengths.uniform(step.queries(), 1, step.queryTokens(), step.passageTokens()).get(0);
    BenchBatch batch =
        BenchBatch.of(
            0, lengths.queries(), lengths.passages(), spec.batch(), spec.encoder().vocabulary());
    List<CpuSpans> spans = new ArrayList<>();
    for (int m = 0; m < count; m++) {
      spans.add(new CpuSpans());
    }
    double[][] found = new double[4][rounds];
    try (Members members =
        new Members(
            count, slots, m -> StepCompute.among(count, spec, 1, spans.get(m), HangWatch.NONE))) {
      members.devices().forEach(BenchModel::fill);
      for (int round = -1; round < rounds; round++) {
        spans.forEach(CpuSpans::clear);
        long number = round + 1L;
        members.compute(batch.header(), batch.slots());
        members.all(
            m -> {
              members.devices().get(m).apply(number);
              return true;
            });
        if (round >= 0) {
          CpuSpans slowest = slowest(spans);
          found[0][round] = cpuMs(slowest);
          found[1][round] = slowest.cpuMs(CpuSpans.Done::isCollective);
          found[2][round] = slowest.collectiveMs(false);
          found[3][round] = slowest.collectiveMs(true);
        }
      }
    }
    double[] medians = Arrays.stream(found).mapToDouble(ScalingBenchmark::median).toArray();
    return new Row(count, medians[0], medians[1], medians[2], medians[3]);
  }

  private static double cpuMs(CpuSpans spans) {
    return spans.cpuMs(done -> done.isCompute() || done.isCollective());
  }

  private static CpuSpans slowest(List<CpuSpans> spans) {
    return spans.stream().max((a, b) -> Double.compare(cpuMs(a), cpuMs(b))).orElseThrow();
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private RunSpec spec() {
    int most = Math.max(step.queryTokens(), step.passageTokens());
    return step.size()
        .run(
            new BatchSpec(step.queries(), 0, 1, slots, Math.max(4096, most), 1, most, most, 1),
            step.unified(),
            new ComputeSpec(Precision.FP32, false));
  }
}
