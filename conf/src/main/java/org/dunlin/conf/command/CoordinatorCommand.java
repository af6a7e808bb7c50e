package org.dunlin.conf.command;

import java.util.Map;
import java.util.Optional;
import org.dunlin.conf.flagembedding.Understood;
import org.dunlin.conf.settings.Flags;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code dunlin coordinator}. */
@Command(
    name = "coordinator",
    description = {
      "Trains with workers on other machines: waits until --workers of them have come, trains, and"
          + " writes the model here. It prints what to start on each machine. The flags are those of"
          + " train but for --probe and --trace, and so is the model, bit for bit."
    },
    footer = {
      "",
      "Example:",
      "  dunlin coordinator run.conf --workers 2",
      "  dunlin worker --join 10.0.0.5:7355      (on each of two other machines)",
      "  dunlin coordinator --standby --output DIR (on a third, which sees the same run folder)",
      "Model and data are needed here only. More workers may come at any time, and leave with Ctrl-C. Nothing is"
          + " sealed yet: use a network that you trust."
    })
@SuppressWarnings("unused") // flags are read by their names, see RunFlags
final class CoordinatorCommand extends TrainingCommand {
  private static final String STANDBY = "--standby";

  @Option(
      names = Flags.HOST,
      paramLabel = "ADDRESS",
      description =
          "Address or name of this machine under which the workers reach it (default: its address"
              + " on the way to other machines).")
  private String host;

  @Option(
      names = Flags.PORT,
      paramLabel = "N",
      description = "Port at which workers join; 0: any free one (default: ${DEFAULT-VALUE}).")
  private String port;

  @Option(
      names = STANDBY,
      description =
          "Stand by for the coordinator of the run in the run folder (--output), which is on another"
              + " machine and in a folder that both see, model and data too: wait until it is gone, then"
              + " go on in its place with the workers that live.")
  private boolean waits;

  private final Actions.Train standBy;

  CoordinatorCommand(Actions.Train coordinate, Actions.Train standBy, Understood understood) {
    super(coordinate, understood);
    this.standBy = standBy;
  }

  @Override
  Actions.Train action() {
    return waits ? standBy : super.action();
  }

  @Override
  Optional<String> resuming() {
    return waits ? Optional.of(STANDBY) : super.resuming();
  }

  @Override
  Map<String, Object> overrides() {
    Map<String, Object> overrides = super.overrides();
    if (waits) {
      overrides.putIfAbsent(Flags.KEYS.get(Flags.RESUME), Flags.from(STANDBY, "newest"));
    }
    return overrides;
  }
}
