package org.dunlin.it.benchmark;

import org.dunlin.protocol.Refusal;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code ./dunlin benchmark …}: lives beside the tests, not in the product. */
@Command(
    name = "dunlin benchmark",
    description = "Measures Dunlin: its speed beside a peer, its memory and its coordinator alone.",
    mixinStandardHelpOptions = true,
    subcommands = {
      StepBenchmark.class,
      CollectivesBenchmark.class,
      ScalingBenchmark.class,
      MemoryBenchmark.class,
      ControlPlaneBenchmark.class,
      RecoveryBenchmark.class,
      CheckpointBenchmark.class,
      ArchiveCommand.class
    })
public final class Benchmark {
  private Benchmark() {}

  /** Runs a benchmark and exits with 0, or with 1 or 2 where it could not run. */
  public static void main(String[] arguments) {
    CommandLine line =
        new CommandLine(new Benchmark())
            .setExecutionExceptionHandler(
                (failure, command, parsed) -> {
                  if (!(failure instanceof Refusal refusal)) {
                    throw failure;
                  }
                  command.getErr().println(refusal.getMessage());
                  return refusal.kind().exitCode();
                });
    System.exit(line.execute(arguments));
  }
}
