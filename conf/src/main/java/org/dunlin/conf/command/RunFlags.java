package org.dunlin.conf.command;

import java.util.LinkedHashMap;
import java.util.Map;
import org.dunlin.conf.settings.Flags;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Spec.Target;

/**
 * Flags of every command that trains. Values stay text here: {@code Settings} checks them as it
 * checks a file's.
 */
@SuppressWarnings("unused") // read by their names: only so a default is told from a given value
final class RunFlags {
  @Spec(Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = Flags.OUTPUT,
      paramLabel = "FOLDER",
      description = "Run folder (default: a new one under runs/).")
  private String output;

  @Option(
      names = Flags.OVERWRITE,
      description = "Replace what lies in the run folder (default: refuse a folder in use).")
  private boolean overwrite;

  @Option(
      names = Flags.WORKERS,
      paramLabel = "N",
      description =
          "Worker processes on this machine; 0: all in one process (default: ${DEFAULT-VALUE}). The"
              + " trained model is the same, bit for bit. Of a coordinator: how many workers elsewhere"
              + " it waits for, at least 1.")
  private String workers;

  @Option(
      names = Flags.SEED,
      paramLabel = "N",
      description = "Seed of everything that chance decides (default: ${DEFAULT-VALUE}).")
  private String seed;

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description = "Any key of the configuration; may be repeated. `dunlin config` prints all.")
  private Map<String, String> set = new LinkedHashMap<>();

  /** What was given, by configuration key; a flag wins over --set. */
  Map<String, Object> overrides() {
    Map<String, Object> overrides = new LinkedHashMap<>();
    set.forEach((key, text) -> overrides.put(key, Flags.value(text)));
    for (OptionSpec option : command.commandLine().getParseResult().matchedOptions()) {
      String key = Flags.KEYS.get(option.longestName());
      if (key != null) {
        overrides.put(key, option.getValue());
      }
    }
    return overrides;
  }
}
