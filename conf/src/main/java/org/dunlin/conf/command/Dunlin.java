package org.dunlin.conf.command;

import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.dunlin.conf.checkpoint.CheckpointCheck;
import org.dunlin.conf.checkpoint.CheckpointExport;
import org.dunlin.conf.embed.LineEmbedder;
import org.dunlin.conf.embed.PairScorer;
import org.dunlin.conf.evaluate.Evaluate;
import org.dunlin.conf.flagembedding.FlagEmbedding;
import org.dunlin.conf.flagembedding.Understood;
import org.dunlin.conf.launch.JoinedWorker;
import org.dunlin.conf.launch.LedgerCheck;
import org.dunlin.conf.launch.Training;
import org.dunlin.conf.quickstart.Quickstart;
import org.dunlin.data.wordnet.WordNetTask;
import org.dunlin.protocol.Refusal;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/**
 * The command {@code dunlin}. Exit codes: 0 done, 1 data or run failed, 2 wrong flags, keys or
 * paths; the Java machine itself gives 130 for Ctrl-C.
 */
@Command(
    name = "dunlin",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class,
    scope = ScopeType.INHERIT,
    sortOptions = false,
    usageHelpAutoWidth = true,
    description = "Trains text-embedding models on a set of machines that changes while it trains.",
    footer = {
      "",
      "Start with:  dunlin quickstart",
      "Then:        dunlin train --model my-model --data pairs.jsonl --output my-run",
      "Help for a command:  dunlin train --help"
    },
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "1:the data, the model or the run failed",
      "2:a flag, a key or a path is wrong",
      "130:stopped with Ctrl-C"
    })
public final class Dunlin implements Callable<Integer> {
  private final Actions actions;

  @Spec private CommandSpec spec;

  public Dunlin(Actions actions) {
    this.actions = actions;
  }

  public static void main(String[] args) {
    int exitCode = new Dunlin(actions()).run(args);
    System.exit(exitCode);
  }

  /** Runs a command with this process's terminal. */
  public int run(String... args) {
    return run(
        new PrintWriter(System.out, true, System.out.charset()),
        new PrintWriter(System.err, true, System.err.charset()),
        args);
  }

  int run(PrintWriter out, PrintWriter err, String... args) {
    Endings endings = new Endings(err);
    Understood understood;
    try {
      understood = FlagEmbedding.understand(flagsOfTraining(args));
    } catch (Refusal e) {
      return endings.failed(e);
    }
    CommandLine line =
        new CommandLine(this)
            .addSubcommand(new TrainCommand(actions.train(), understood))
            .addSubcommand(
                new CoordinatorCommand(actions.coordinate(), actions.standBy(), understood))
            .addSubcommand(new WorkerCommand(actions.work()))
            .addSubcommand(new QuickstartCommand(actions.quickstart()))
            .addSubcommand(new EmbedCommand(actions.embed()))
            .addSubcommand(new ScoreCommand(actions.score()))
            .addSubcommand(new EvaluateCommand(actions.evaluate()))
            .addSubcommand(new DrainCommand())
            .addSubcommand(new CheckpointCommand())
            .addSubcommand(new LedgerCommand(actions.ledger()))
            .addSubcommand(new VerifyCommand(actions.verify()))
            .addSubcommand(new ExportCommand(actions.export()))
            .addSubcommand(new ConfigCommand())
            .setOut(out)
            .setErr(err)
            .setParameterExceptionHandler(endings::wrongArguments)
            .setExecutionExceptionHandler(endings::failed);
    try {
      return line.execute(isTraining(args) ? training(args[0], understood) : args);
    } catch (Error e) { // such as no memory; picocli hands on only exceptions
      return endings.failed(e);
    }
  }

  private static boolean isTraining(String... args) {
    return args.length > 0 && (args[0].equals("train") || args[0].equals("coordinator"));
  }

  private static List<String> flagsOfTraining(String... args) {
    return isTraining(args) ? List.of(args).subList(1, args.length) : List.of();
  }

  private static String[] training(String command, Understood understood) {
    return Stream.concat(Stream.of(command), understood.rest().stream()).toArray(String[]::new);
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getErr());
    return Refusal.Kind.USAGE.exitCode();
  }

  private static Actions actions() {
    return new Actions(
        Training::run,
        Training::coordinate,
        Training::standBy,
        JoinedWorker::run,
        (task, settings) -> Quickstart.run(WordNetTask.of(task.toString()), settings),
        LineEmbedder::run,
        PairScorer::run,
        LedgerCheck::run,
        CheckpointCheck::run,
        CheckpointExport::run,
        Evaluate::run);
  }
}
