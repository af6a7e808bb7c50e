package org.dunlin.conf.command;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dunlin.conf.launch.JoinRequest;
import org.dunlin.conf.launch.JoinedWorker;
import org.dunlin.conf.settings.Flags;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.Endpoint;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code dunlin worker}. */
@Command(
    name = "worker",
    description = {
      "Takes part in the run of a coordinator. It needs no file but this installation: settings,"
          + " model and data come from there. It ends with the run; Ctrl-C takes it out, and the"
          + " others go on."
    },
    footer = {
      "",
      "Example:",
      "  dunlin worker --join 10.0.0.5:7355",
      "All machines of a run need the same Dunlin, kernels that give the same bits (set MKL_CBWR"
          + " alike), and all ports open to each other."
    })
final class WorkerCommand implements Callable<Integer> {
  private static final Pattern ADDRESS = Pattern.compile("([^:\\s]+)(?::(\\d{1,5}))?");
  private static final String NO_COPIES = "none";
  private static final int MOST_PORT = 65_535;
  private static final int MOST_THREADS = 1024;

  private final Actions.Work action;

  @Option(
      names = "--join",
      required = true,
      paramLabel = "HOST:PORT",
      description = "Where the coordinator listens, as it prints it (port 7355 if left out).")
  private String join;

  @Option(
      names = Flags.HOST,
      paramLabel = "ADDRESS",
      description =
          "Address or name of this machine under which the others reach it (default: its address on"
              + " the way to the coordinator).")
  private Optional<String> host;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description =
          "Name of this worker in the run (default: the host's name and the process's number).")
  private Optional<String> name;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description =
          "Compute threads, each with a micro-batch in work (default: one a core; with --devices the"
              + " cores are shared out, and fewer are taken where a device holds fewer).")
  private Optional<Integer> threads;

  @Option(
      names = "--devices",
      paramLabel = "N",
      split = ",",
      description =
          "CUDA devices by number, one worker process for each, named NAME-0 and so on: encoders"
              + " compute there, all else here. Needs a libtorch with CUDA, and was tried on one H100"
              + " (docs/gpu.md).")
  private List<Integer> devices = List.of();

  @Option(
      names = "--wait",
      paramLabel = "TIME",
      defaultValue = "5m",
      description =
          "How long an absent coordinator is waited for, before this worker has joined and when it"
              + " has died, as 30s or 5m (default: ${DEFAULT-VALUE}).")
  private String wait;

  @Option(
      names = "--copies",
      paramLabel = "FOLDER",
      description =
          "Where a copy of the run's newest checkpoints is kept if this worker is chosen to, so that"
              + " the run can go on if the coordinator's disk is lost, or "
              + NO_COPIES
              + ": not here. It"
              + " takes three times the model's size for each checkpoint (default:"
              + " ~/.dunlin/copies).")
  private String copies = Path.of(System.getProperty("user.home"), ".dunlin", "copies").toString();

  @Option(
      names = Flags.TRACE,
      paramLabel = "FILE",
      description =
          "Write here what this worker's threads do when, for chrome://tracing or ui.perfetto.dev.")
  private Optional<Path> trace;

  WorkerCommand(Actions.Work action) {
    this.action = action;
  }

  @Override
  public Integer call() {
    name.ifPresent(JoinedWorker::requireName);
    return action.run(
        new JoinRequest(
            coordinator(), host, name, computeThreads(), devices, duration(), copies(), trace));
  }

  private Optional<Path> copies() {
    return Optional.of(copies).filter(name -> !name.equals(NO_COPIES)).map(Path::of);
  }

  private Endpoint coordinator() {
    Matcher found = ADDRESS.matcher(join);
    int port = found.matches() && found.group(2) != null ? Integer.parseInt(found.group(2)) : 7355;
    if (!found.matches() || port < 1 || port > MOST_PORT) {
      throw Refusal.usage(
          "--join: '%s' (expected: HOST:PORT as the coordinator prints it, port 1 to %d)"
              .formatted(join, MOST_PORT));
    }
    return new Endpoint(found.group(1), port);
  }

  private OptionalInt computeThreads() {
    if (threads.filter(n -> n < 1 || n > MOST_THREADS).isPresent()) {
      throw Refusal.usage(
          "--threads: %d (expected: 1 to %d)".formatted(threads.get(), MOST_THREADS));
    }
    return threads.map(OptionalInt::of).orElse(OptionalInt.empty());
  }

  private Duration duration() {
    try {
      return ConfigFactory.parseMap(Map.of("wait", wait)).getDuration("wait");
    } catch (ConfigException e) {
      throw Refusal.usage("--wait: '%s' (expected: a time, as 30s, 5m or 1h)".formatted(wait));
    }
  }
}
