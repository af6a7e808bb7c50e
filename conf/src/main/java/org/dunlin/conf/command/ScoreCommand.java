package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import org.dunlin.conf.embed.ScoreRequest;
import org.dunlin.protocol.Refusal;
import org.dunlin.worker.evaluate.PairScores.Mode;
import org.dunlin.worker.evaluate.PairScores.Weights;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code dunlin score}. */
@Command(
    name = "score",
    description = {
      "Scores pairs of a query and a passage, one number a line: with an embedding model how well"
          + " their embeddings match, with a reranker its raw score."
    },
    footer = {
      "",
      "Example:",
      "  dunlin score --model my-run/model --mode dense pairs.jsonl",
      "A row is {\"query\": text, \"passage\": text} or [query, passage]."
    })
final class ScoreCommand implements Callable<Integer> {
  private final Actions.Score action;

  @Option(
      names = "--model",
      paramLabel = "FOLDER",
      required = true,
      description = "Hugging Face folder of an embedding model or of a reranker.")
  private Path model;

  @Parameters(
      paramLabel = "PAIRS",
      arity = "0..1",
      description = "JSONL file of pairs (default: the standard input).")
  private Path pairs;

  @Option(
      names = "--mode",
      paramLabel = "MODE",
      description =
          "Of an embedding model: ${COMPLETION-CANDIDATES} (default: colbert+sparse+dense).")
  private Mode mode;

  @Option(
      names = "--weights",
      paramLabel = "X",
      split = ",",
      description = "Weights of dense, sparse and colbert in a mixed mode (default: 1,1,1).")
  private List<Double> weights;

  @Option(
      names = "--query-max-tokens",
      paramLabel = "N",
      description =
          "Longer queries are cut here (default: what the model takes; with a reranker, 3/4 of"
              + " --max-tokens).")
  private Integer queryMaxTokens;

  @Option(
      names = "--max-tokens",
      paramLabel = "N",
      description =
          "Longer passages are cut here; with a reranker, the passage so that the pair fits"
              + " (default: what the model takes).")
  private Integer maxTokens;

  @Option(
      names = "--pads-in-max-sim",
      description =
          "Count padding as FlagEmbedding does: passages shorter than the longest of their 256"
              + " offer similarity 0 to every query token (default: only tokens count).")
  private boolean padsInMaxSim;

  @Option(
      names = "--sigmoid",
      description =
          "Bring a reranker's scores between 0 and 1 (default: raw scores, which"
              + " distillation wants).")
  private boolean sigmoid;

  ScoreCommand(Actions.Score action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    return action.run(
        new ScoreRequest(
            model,
            Optional.ofNullable(pairs),
            Optional.ofNullable(mode),
            Optional.ofNullable(weights).map(ScoreCommand::weights),
            padsInMaxSim,
            sigmoid,
            optional(queryMaxTokens),
            optional(maxTokens)),
        System.in,
        System.out);
  }

  private static Weights weights(List<Double> numbers) {
    if (numbers.size() != 3) {
      throw Refusal.usage(
          "--weights: %d numbers (expected: 3, of dense, sparse and colbert, such as 0.4,0.2,0.4)"
              .formatted(numbers.size()));
    }
    try {
      return new Weights(numbers.get(0), numbers.get(1), numbers.get(2));
    } catch (IllegalArgumentException e) {
      throw Refusal.usage("--" + e.getMessage());
    }
  }

  static OptionalInt optional(Integer number) {
    return number == null ? OptionalInt.empty() : OptionalInt.of(number);
  }
}
