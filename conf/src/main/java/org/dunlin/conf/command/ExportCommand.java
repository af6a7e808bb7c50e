package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.dunlin.conf.checkpoint.ExportRequest;
import org.dunlin.conf.checkpoint.ExportType;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code dunlin export}. */
@Command(
    name = "export",
    description = {
      "Makes a Hugging Face folder of a checkpoint's weights, which transformers and"
          + " sentence-transformers load."
    },
    footer = {
      "",
      "Examples:",
      "  dunlin export my-run --to my-model",
      "  dunlin export my-run/checkpoints/step-000080 my-run/checkpoints/step-000100 --to my-mean",
      "Of several checkpoints the mean is taken. Every value is checked by its checksum as it is"
          + " read."
    })
final class ExportCommand implements Callable<Integer> {
  private final Actions.Export action;

  @Parameters(
      arity = "1..*",
      paramLabel = "CHECKPOINT",
      converter = FolderConverter.class,
      description = "Folder of a checkpoint, or of a run, which stands for its newest one.")
  private List<Path> checkpoints;

  @Option(
      names = "--to",
      required = true,
      paramLabel = "FOLDER",
      description = "The model's folder; must not exist.")
  private Path target;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description =
          "What weights are rounded to: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private ExportType type = ExportType.FP32;

  @Option(
      names = "--model",
      paramLabel = "FOLDER",
      description =
          "Where configuration and tokenizer come from (default: the model that the run started"
              + " from).")
  private Optional<Path> model;

  ExportCommand(Actions.Export action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    return action.run(new ExportRequest(checkpoints, target, type, model), System.out);
  }
}
