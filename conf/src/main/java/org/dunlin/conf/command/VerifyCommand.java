package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code dunlin verify}. */
@Command(
    name = "verify",
    description = {"Reads a checkpoint whole and compares every checksum with what was written."},
    footer = {
      "",
      "Examples:",
      "  dunlin verify my-run/checkpoints/step-000020",
      "  dunlin verify my-run",
      "Works while the run goes on. Exit code 1, and a sentence that names the file and what is wrong"
          + " with it, where a byte is not as it was written. One that was never completed is none"
          + " and breaks nothing."
    })
final class VerifyCommand implements Callable<Integer> {
  private final Actions.Verify action;

  @Parameters(
      paramLabel = "FOLDER",
      converter = FolderConverter.class,
      description = "A checkpoint, a folder of checkpoints, or a run: then all of them.")
  private Path folder;

  VerifyCommand(Actions.Verify action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    return action.run(folder, System.out);
  }
}
