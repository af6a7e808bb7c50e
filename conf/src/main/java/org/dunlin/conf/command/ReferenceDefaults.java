package org.dunlin.conf.command;

import org.dunlin.conf.settings.Flags;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/** Shows the reference file's defaults in the help, so that there is one place for them. */
final class ReferenceDefaults implements IDefaultValueProvider {

  @Override
  public String defaultValue(ArgSpec argument) {
    return argument instanceof OptionSpec option
        ? Flags.defaultValue(option.longestName()).orElse(null)
        : null;
  }
}
