package org.dunlin.conf.launch;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.dunlin.conf.log.Logs;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.protocol.WorkerId;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.engine.Failure;
import org.dunlin.worker.hang.HangLimits;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.member.WorkerSetup;
import org.dunlin.worker.step.KernelProbe;
import org.dunlin.worker.step.StepCompute;
import org.dunlin.worker.trace.Trace;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A worker of a run on one machine, a child of its supervisor; arguments are its name, incarnation,
 * the coordinator's address, compute threads, workers, and a file for its trace or "". It needs
 * nothing but the coordinator's address, and lives until it is sent away. SIGTERM lets it leave in
 * order.
 */
public final class WorkerProcess {
  private static final Logger LOG = LoggerFactory.getLogger(WorkerProcess.class);

  // Its supervisor starts another coordinator, or ends this worker.
  private static final int ABSENCE_MS = 300_000;

  private WorkerProcess() {}

  /** As {@link #run}, with an end of the process. */
  public static void main(String[] arguments) {
    System.exit(run(List.of(arguments)));
  }

  /** Gives the exit code: 0, or 1 after a line that says why. */
  public static int run(List<String> arguments) {
    Logs.toStandardError();
    PrintStream lines = CoordinatorProcess.takeStandardOutput();
    Lifeline.hold();
    WorkerId worker = new WorkerId(arguments.get(0), Long.parseLong(arguments.get(1)));
    int threads = Integer.parseInt(arguments.get(3));
    int workers = Integer.parseInt(arguments.get(4));
    String file = arguments.get(5); // empty: no trace
    WorkerEnd end;
    try {
      end = run(worker, arguments.get(2), threads, workers, file);
    } catch (RuntimeException e) {
      LOG.error("failed", e);
      end = new WorkerEnd(true, Failure.line(e));
    }
    if (end.failed()) {
      String sentence = "worker %s failed: %s".formatted(worker, end.reason());
      lines.println(EventLines.write(new RunEvent.Failed(sentence)));
    }
    return end.failed() ? 1 : 0;
  }

  private static WorkerEnd run(
      WorkerId worker, String coordinator, int threads, int workers, String traceFile) {
    CompletableFuture<Void> leave = new CompletableFuture<>();
    StopRequest.handle("TERM", () -> leave.completeAsync(() -> null));
    HangWatch watch = HangWatch.start(HangLimits.USUAL);
    WorkerSetup setup =
        new WorkerSetup(
            worker,
            Version.CURRENT,
            LocalRun.HOST,
            spec -> StepCompute.among(workers, spec, threads, trace(worker, traceFile), watch),
            spec -> KernelProbe.sha256(spec.compute(), EncoderDevice.PROCESSOR),
            ABSENCE_MS,
            watch,
            LOG::info);
    try (watch) {
      return Membership.run(
          setup, node -> node.join(coordinator), "the cluster at " + coordinator, leave);
    }
  }

  private static Trace trace(WorkerId worker, String file) {
    return file.isEmpty() ? Trace.NONE : Trace.to(Path.of(file), worker.name());
  }
}
