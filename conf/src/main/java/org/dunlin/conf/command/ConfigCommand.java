package org.dunlin.conf.command;

import org.dunlin.conf.settings.Settings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code dunlin config}. */
@Command(
    name = "config",
    description = "Prints every configuration key with its meaning and its default.",
    footer = {"", "Example:", "  dunlin config | less"})
final class ConfigCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    spec.commandLine().getOut().print(Settings.reference());
    spec.commandLine().getOut().flush();
  }
}
