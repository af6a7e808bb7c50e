package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code dunlin embed}. */
@Command(
    name = "embed",
    description = "Reads texts from the standard input, one a line, and writes their embeddings.",
    footer = {
      "",
      "Example:",
      "  echo 'a small wader' | dunlin embed my-run/model",
      "Each line of the output is a JSON array of numbers."
    })
final class EmbedCommand implements Callable<Integer> {
  private final Actions.Embed action;

  @Parameters(paramLabel = "MODEL", description = "Hugging Face folder of the model.")
  private Path model;

  EmbedCommand(Actions.Embed action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    return action.run(model, System.in, System.out);
  }
}
