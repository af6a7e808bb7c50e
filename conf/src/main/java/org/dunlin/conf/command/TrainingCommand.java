package org.dunlin.conf.command;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.dunlin.conf.flagembedding.Understood;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.settings.Flags;
import org.dunlin.conf.settings.Settings;
import org.dunlin.protocol.Refusal;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** What {@code train} and {@code coordinator} have in common: all but where the workers are. */
@Command(defaultValueProvider = ReferenceDefaults.class)
@SuppressWarnings("unused") // flags are read by their names, see RunFlags
abstract class TrainingCommand implements Callable<Integer> {
  private final Actions.Train action;
  private final Understood understood;

  @Spec private CommandSpec spec;

  @Parameters(
      arity = "0..1",
      paramLabel = "CONF",
      description = "Configuration file (HOCON); flags win over it.")
  private Optional<Path> file;

  @Option(
      names = Flags.MODEL,
      paramLabel = "FOLDER",
      description = "Hugging Face folder of the model to start from.")
  private String model;

  @Option(
      names = Flags.DATA,
      paramLabel = "FILE",
      description = "Training data, JSON lines; repeat the flag for more files.")
  private List<String> data;

  @Option(
      names = Flags.EPOCHS,
      paramLabel = "X",
      description = "How often to go through the data (default: ${DEFAULT-VALUE}).")
  private String epochs;

  @Option(
      names = Flags.STEPS,
      paramLabel = "N",
      description = "Optimiser steps; 0: as the epochs give (default: ${DEFAULT-VALUE}).")
  private String steps;

  @Option(
      names = Flags.BATCH_SIZE,
      paramLabel = "N",
      description = "Pairs of a global batch, over all workers (default: ${DEFAULT-VALUE}).")
  private String batchSize;

  @Option(
      names = Flags.LEARNING_RATE,
      paramLabel = "X",
      description = "Peak learning rate (default: ${DEFAULT-VALUE}).")
  private String learningRate;

  @Option(
      names = Flags.RESUME,
      arity = "0..1",
      fallbackValue = "newest",
      paramLabel = "STEP",
      description =
          "Go on with the run in the run folder (--output), from its newest checkpoint or the one"
              + " after STEP steps, with any number of workers; all other settings are its run.conf's"
              + " unless given.")
  private String resume;

  @Option(
      names = Flags.ALLOW_CHANGE,
      paramLabel = "KEY",
      description =
          "With --resume: this key may have another value than before, though it decides the model;"
              + " may be repeated.")
  private List<String> allowChange;

  @Mixin private RunFlags run;

  /**
   * @param understood what FlagEmbedding's flags on the same command line say
   */
  TrainingCommand(Actions.Train action, Understood understood) {
    this.action = action;
    this.understood = understood;
  }

  @Override
  public Integer call() {
    Map<String, Object> overrides = overrides();
    Settings settings =
        Settings.load(file.or(() -> resumed(overrides)), understood.defaults(), overrides);
    // Refused here if missing, before anything is written.
    settings.modelPath();
    settings.dataFiles();
    understood.lines().forEach(spec.commandLine().getErr()::println);
    return action().run(settings);
  }

  /** What is done with the settings. */
  Actions.Train action() {
    return action;
  }

  /** The flag that says that it is a run that was begun before. */
  Optional<String> resuming() {
    return Optional.ofNullable(resume).map(value -> Flags.RESUME);
  }

  // Without a file of its own, what goes on has the settings that it had.
  private Optional<Path> resumed(Map<String, Object> overrides) {
    Optional<String> flag = resuming();
    if (flag.isEmpty()) {
      return Optional.empty();
    }
    Object folder = overrides.get(Flags.KEYS.get(Flags.OUTPUT));
    if (folder == null) {
      throw Refusal.usage(
          "%s: no run is named (expected: the folder of the one that is to go on); give %s FOLDER"
              .formatted(flag.get(), Flags.OUTPUT));
    }
    return Optional.of(Job.settingsOf(Path.of(folder.toString())));
  }

  /** What was given, by configuration key. */
  Map<String, Object> overrides() {
    Map<String, Object> overrides = new LinkedHashMap<>(run.overrides());
    understood
        .overrides()
        .forEach(
            (key, value) -> {
              String flag = understood.flags().get(key);
              if (overrides.put(key, Flags.from(flag, value)) != null) {
                throw Refusal.usage(
                    "%s: given by %s and in another way (expected: one of them)"
                        .formatted(key, flag));
              }
            });
    return overrides;
  }
}
