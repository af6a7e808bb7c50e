package org.dunlin.conf.command;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.dunlin.conf.command.Actions.Task;
import org.dunlin.conf.settings.Flags;
import org.dunlin.conf.settings.Settings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code dunlin quickstart}: {@code train} with a recipe, a model and data that come along. */
@Command(
    name = "quickstart",
    defaultValueProvider = ReferenceDefaults.class,
    description = {
      "Trains a small model on WordNet and measures it before and after. Model and data come with"
          + " Dunlin; nothing is downloaded."
    },
    footer = {"", "Example:", "  dunlin quickstart --workers 2 --output my-first-run"})
@SuppressWarnings("unused") // flags are read by their names, see RunFlags
final class QuickstartCommand implements Callable<Integer> {
  /** The recipe that the quickstart's figures were measured with. */
  private static final Map<String, Object> RECIPE =
      Map.of(
          "run.name", "quickstart",
          "model.pooling", "mean",
          "model.hidden-dropout", 0,
          "model.attention-dropout", 0,
          "data.query-max-tokens", 128,
          "data.passage-max-tokens", 128,
          "loss.temperature", 0.05,
          "batch.size", 64,
          "optimizer.learning-rate", 2e-4);

  private final Actions.Quickstart action;

  @Option(
      names = "--task",
      paramLabel = "TASK",
      defaultValue = "category",
      description =
          "What to learn: ${COMPLETION-CANDIDATES} (default: category). category: find the broader"
              + " term of a term; reverse-dictionary: find the word for a definition.")
  private Task task;

  @Option(
      names = Flags.STEPS,
      paramLabel = "N",
      description = "Optimiser steps (default: 100 for category, 200 for reverse-dictionary).")
  private String steps;

  @Mixin private RunFlags run;

  QuickstartCommand(Actions.Quickstart action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    Map<String, Object> overrides = new HashMap<>(RECIPE);
    overrides.put("train.steps", task.steps());
    overrides.putAll(run.overrides());
    return action.run(task, Settings.load(Optional.empty(), overrides));
  }
}
