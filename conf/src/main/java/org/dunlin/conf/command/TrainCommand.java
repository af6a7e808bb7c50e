package org.dunlin.conf.command;

import org.dunlin.conf.flagembedding.Understood;
import picocli.CommandLine.Command;

/** {@code dunlin train}. */
@Command(
    name = "train",
    description = "Trains a model on pairs of texts.",
    footer = {
      "",
      "Example:",
      "  dunlin train --model bge-small-en-v1.5 --data pairs.jsonl --output my-run",
      "The data is JSON lines: {\"query\": \"...\", \"pos\": [\"...\"], \"neg\": [\"...\"]}; neg is"
          + " optional.",
      "FlagEmbedding's flags work as well: --model_name_or_path, --train_data, --query_max_len, ...",
      "The run folder keeps all settings as run.conf, the log and the trained model."
    })
final class TrainCommand extends TrainingCommand {
  TrainCommand(Actions.Train action, Understood understood) {
    super(action, understood);
  }
}
