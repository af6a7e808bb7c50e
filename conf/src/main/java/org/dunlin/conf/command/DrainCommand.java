package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dunlin.conf.launch.Control;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code dunlin drain}. */
@Command(
    name = "drain",
    description = {
      "Lets a worker leave a run that is under way: it finishes its step, the others take over its"
          + " slots, nothing is computed twice, and the model is the same, bit for bit."
    },
    footer = {
      "",
      "Example:",
      "  dunlin drain my-run worker-2",
      "SIGTERM to the worker's process, or Ctrl-C on `dunlin worker`, does the same. The last worker"
          + " that leaves ends the run; its model is saved."
    })
final class DrainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(
      index = "0",
      paramLabel = "RUN_FOLDER",
      description = "The run's folder, on the coordinator's machine.")
  private Path runFolder;

  @Parameters(
      index = "1",
      paramLabel = "WORKER",
      description = "The worker's name, such as worker-2; processes.json has all.")
  private String worker;

  @Override
  public Integer call() {
    spec.commandLine().getOut().println(Control.drain(runFolder, worker));
    return 0;
  }
}
