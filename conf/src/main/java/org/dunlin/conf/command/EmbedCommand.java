package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.Callable;
import org.dunlin.conf.embed.EmbedRequest;
import org.dunlin.conf.embed.Head;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code dunlin embed}. */
@Command(
    name = "embed",
    description = "Reads texts from the standard input, one a line, and writes their embeddings.",
    footer = {
      "",
      "Example:",
      "  echo 'a small wader' | dunlin embed my-run/model",
      "Each line of the output is a JSON array of numbers; with --heads other than dense, an object"
          + " with dense_vecs, lexical_weights (token id to weight) and colbert_vecs (one a token),"
          + " as asked for."
    })
final class EmbedCommand implements Callable<Integer> {
  private final Actions.Embed action;

  @Parameters(paramLabel = "MODEL", description = "Hugging Face folder of the model.")
  private Path model;

  @Option(
      names = "--heads",
      paramLabel = "HEAD",
      split = ",",
      description =
          "Which embeddings, with commas between them: ${COMPLETION-CANDIDATES} (default: dense).")
  private Set<Head> heads = EnumSet.of(Head.DENSE);

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      description =
          "Longer texts are cut here, special tokens counted (default: what the model" + " takes).")
  private Integer maxTokens;

  EmbedCommand(Actions.Embed action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    return action.run(
        new EmbedRequest(model, heads, ScoreCommand.optional(maxTokens)), System.in, System.out);
  }
}
