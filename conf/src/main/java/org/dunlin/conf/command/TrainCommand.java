package org.dunlin.conf.command;

import org.dunlin.conf.flagembedding.Understood;
import org.dunlin.conf.settings.Flags;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

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
@SuppressWarnings("unused") // flags are read by their names, see RunFlags
final class TrainCommand extends TrainingCommand {
  @Option(
      names = Flags.PROBE,
      description =
          "Before the run, find the largest micro-batches of each length that this machine has the"
              + " memory for, for all workers at once; print them as micro-batch.by-length, and train"
              + " with them (default: off; memory that runs out later is met by halving them).")
  private boolean probe;

  @Option(
      names = Flags.TRACE,
      description =
          "Write what each worker's threads do when, as traces/WORKER.json in the run folder, for"
              + " chrome://tracing or ui.perfetto.dev (default: off; about 10 kB a step).")
  private boolean trace;

  TrainCommand(Actions.Train action, Understood understood) {
    super(action, understood);
  }
}
