package org.dunlin.conf.command;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Unmatched;

/** A command that only another Dunlin gives; its arguments are between the two. */
@Command(hidden = true, description = "Started by another Dunlin.")
final class ChildCommand implements Callable<Integer> {
  private final Actions.Child action;

  @Unmatched private List<String> arguments = new ArrayList<>();

  ChildCommand(Actions.Child action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    return action.run(List.copyOf(arguments));
  }
}
