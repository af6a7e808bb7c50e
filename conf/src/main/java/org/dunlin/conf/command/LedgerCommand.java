package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.dunlin.conf.launch.LedgerRequest;
import org.dunlin.protocol.Refusal;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code dunlin ledger}. */
@Command(
    name = "ledger",
    description = {
      "Proves from a run's ledger that each sample of an epoch counted exactly once: computes the"
          + " run's plan again from its data, and compares it with what every committed step used."
    },
    footer = {
      "",
      "Example:",
      "  dunlin ledger my-run",
      "A sample is a row of the data, counted from 0 through all files; rows with equal texts are"
          + " samples of their own. The table has a line an epoch; an epoch that is not over has \"-\""
          + " for missing. Works while the run goes on and after it was killed; takes about as long as"
          + " reading and tokenizing what was trained on. Exit code 1, and a sentence that says which"
          + " step and sample, where it is not proven."
    })
final class LedgerCommand implements Callable<Integer> {
  private final Actions.Ledger action;

  @Parameters(paramLabel = "RUN_FOLDER", description = "Folder of the run.")
  private Path runFolder;

  @Option(
      names = "--without-data",
      description =
          "Prove only what the ledger says by itself, in a moment and without the data: no step"
              + " missing, no sample twice, whole epochs of the right number of samples (default: compare"
              + " with the plan, too).")
  private boolean withoutData;

  @Option(
      names = "--step",
      paramLabel = "N",
      description = "Print the sample ids of this committed step, one a line, and prove nothing.")
  private Long step;

  LedgerCommand(Actions.Ledger action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    if (step != null && step < 0) {
      throw Refusal.usage("--step: %d (expected: >= 0)".formatted(step));
    }
    return action.run(
        new LedgerRequest(
            runFolder, withoutData, step == null ? OptionalLong.empty() : OptionalLong.of(step)),
        System.out);
  }
}
