package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dunlin.conf.launch.Control;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code dunlin checkpoint}. */
@Command(
    name = "checkpoint",
    description = {
      "Has a run that is under way write a checkpoint after its present step, while it trains on."
          + " The run goes on from it, should everything die: dunlin train --resume."
    },
    footer = {
      "",
      "Example:",
      "  dunlin checkpoint my-run",
      "The run says where it is once it is complete; dunlin verify checks one, dunlin export makes a"
          + " model of it."
    })
final class CheckpointCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(
      index = "0",
      paramLabel = "RUN_FOLDER",
      description = "The run's folder, on the coordinator's machine.")
  private Path runFolder;

  @Override
  public Integer call() {
    spec.commandLine().getOut().println(Control.checkpoint(runFolder));
    return 0;
  }
}
