package org.dunlin.conf.launch;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.report.NodesFile;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.record.TermFile;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The coordinator of a run on one machine, a child of its supervisor; arguments are the run folder,
 * the number of steps, its {@link Part}, and, for a standby, the address of the coordinator whose
 * death it waits for. It reads the run's settings from its folder, takes its place in the cluster,
 * and prints first its address and then a line of JSON for everything that happens.
 */
public final class CoordinatorProcess {
  private static final Logger LOG = LoggerFactory.getLogger(CoordinatorProcess.class);

  /** The line that it prints once a lease. */
  static final String ALIVE = "alive";

  /** How it comes to coordinate. */
  enum Part {
    /** It forms the run's cluster. */
    FIRST,
    /** It is in the cluster before the one that coordinates dies. */
    STANDBY,
    /** It is started after that, and comes in through the workers. */
    SUCCESSOR
  }

  private CoordinatorProcess() {}

  /** As {@link #run}, with an end of the process. */
  public static void main(String[] arguments) {
    System.exit(run(List.of(arguments)));
  }

  /** Gives the exit code: 0, or 1 or 2 after a last event that says why. */
  public static int run(List<String> arguments) {
    Logs.toStandardError();
    PrintStream lines = takeStandardOutput();
    Lifeline line = Lifeline.hold();
    // Who ends a service tells all its processes.
    StopRequest.handle("TERM", line::stop);
    int exitCode = 0;
    try {
      Path runFolder = Path.of(arguments.get(0));
      Part part = Part.valueOf(arguments.get(2));
      Optional<String> living = arguments.stream().skip(3).findFirst();
      // The run has not ended, and its standby takes over: that is not for this process to say.
      if (!run(runFolder, Long.parseLong(arguments.get(1)), part, living, line, lines)) {
        LOG.error("the coordinator stopped before the run had ended");
        exitCode = 1;
      }
    } catch (Refusal e) {
      LOG.error("refused", e);
      lines.println(EventLines.write(new RunEvent.Failed(e.getMessage())));
      exitCode = e.kind().exitCode();
    } catch (RuntimeException e) {
      LOG.error("failed", e);
      lines.println(EventLines.write(new RunEvent.Failed("the coordinator failed: " + e)));
      exitCode = 1;
    }
    lines.flush();
    return exitCode;
  }

  // The steps are given, because to count those of an epoch may mean to read it.
  private static boolean run(
      Path runFolder,
      long steps,
      Part part,
      Optional<String> living,
      Lifeline line,
      PrintStream lines) {
    Settings settings =
        Settings.load(
            Optional.of(runFolder.resolve(RunFolder.SETTINGS)), Map.of("train.steps", steps));
    Consumer<RunEvent> printer = event -> lines.println(EventLines.write(event));
    Thread beats = new Thread(() -> beat(settings.leaseMs(), lines), "beats");
    beats.setDaemon(true);
    beats.start();
    try (Inputs inputs = Inputs.open(settings)) {
      return switch (part) {
        case FIRST -> {
          try (TermFile.Held held = TermFile.take(runFolder);
              ClusterNode node =
                  ClusterNode.start(List.of(ClusterNode.COORDINATOR), LocalRun.HOST)) {
            node.joinItself();
            yield lead(node, held.term(), false, inputs, settings, runFolder, line, lines);
          }
        }
        case STANDBY -> {
          try (ClusterNode node = ClusterNode.start(List.of(ClusterNode.STANDBY), LocalRun.HOST)) {
            node.join(living.orElseThrow());
            node.joined().toCompletableFuture().join();
            printer.accept(new RunEvent.Noted("a standby is ready to coordinate"));
            try (TermFile.Held held = TermFile.await(runFolder)) {
              if (RunFolder.hasEnded(runFolder)) {
                yield true;
              }
              node.preside();
              yield lead(node, held.term(), true, inputs, settings, runFolder, line, lines);
            }
          }
        }
        case SUCCESSOR -> {
          NodesFile.Nodes left = NodesFile.read(runFolder).orElseThrow();
          try (TermFile.Held held = TermFile.await(runFolder);
              ClusterNode node =
                  ClusterNode.start(List.of(ClusterNode.COORDINATOR), LocalRun.HOST)) {
            Duration patience = Duration.ofMillis(settings.leaseMs());
            yield Coordination.succeed(node, left, patience).isPresent()
                && lead(node, held.term(), true, inputs, settings, runFolder, line, lines);
          }
        }
      };
    }
  }

  private static void beat(long leaseMs, PrintStream lines) {
    try {
      while (true) {
        lines.println(ALIVE);
        Thread.sleep(leaseMs);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Coordinates the run to its end; false if it stopped before. */
  private static boolean lead(
      ClusterNode node,
      Term term,
      boolean follows,
      Inputs inputs,
      Settings settings,
      Path runFolder,
      Lifeline line,
      PrintStream lines) {
    Admission admission =
        new Admission(settings.workers(), Admission.Comers.AGAIN, settings.allowDifferentKernels());
    OutcomeOf outcome = new OutcomeOf();
    NodesFile nodes = new NodesFile(runFolder);
    try (EventRelay relay =
        new EventRelay(
            event -> {
              outcome.add(event);
              nodes.accept(event);
              lines.println(EventLines.write(event));
            })) {
      Coordination.lead(
          node,
          inputs.run(term, follows, admission, LocalRun.HOST, runFolder, relay),
          runFolder,
          formed -> lines.println(formed.address()),
          line.stopAsked());
    }
    if (outcome.outcome().isEmpty()) {
      return false;
    }
    nodes.close();
    RunFolder.end(runFolder); // before the lock is given back
    return true;
  }

  // What a library prints must not come between the lines that the supervisor reads.
  static PrintStream takeStandardOutput() {
    PrintStream lines = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    return lines;
  }
}
