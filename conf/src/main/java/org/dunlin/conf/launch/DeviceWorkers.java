package org.dunlin.conf.launch;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.dunlin.coordinator.report.RunEvent;

/**
 * {@code dunlin worker --devices 0,1}: one worker process a device, children of this one, which
 * keeps the terminal. A child that ends leaves the others alone.
 */
final class DeviceWorkers {
  private static final String VISIBLE = "CUDA_VISIBLE_DEVICES";

  // With a workspace of fixed size cuBLAS gives equal bits from call to call.
  private static final String WORKSPACE = "CUBLAS_WORKSPACE_CONFIG";

  private static final long MIB = 1 << 20;

  // As the launcher has it: what a run takes is checked when it is known.
  private static final long DIRECT_MIB = 1 << 20;

  private static final long LET_GO_MS = 5_000;

  private final JoinRequest request;
  private final StopRequest stop;
  private final Consumer<String> lines;
  private final String name;
  private final List<Child> children = new ArrayList<>();
  private final List<CompletableFuture<Integer>> ends = new ArrayList<>();

  /**
   * @param request with devices
   * @param lines hears what the children say
   */
  DeviceWorkers(JoinRequest request, StopRequest stop, Consumer<String> lines) {
    this.request = request;
    this.stop = stop;
    this.lines = lines;
    this.name = request.name().orElseGet(JoinedWorker::ownName);
  }

  /** Runs them to their ends and gives the worst exit code, or 130 where it was stopped. */
  int run() {
    try {
      request.devices().forEach(this::start);
      stop.first().thenRun(() -> children.forEach(child -> child.ask(Lifeline.STOP)));
      int worst = ends.stream().mapToInt(CompletableFuture::join).max().orElseThrow();
      return stop.isAsked() ? JoinedWorker.STOPPED : worst;
    } finally {
      end();
    }
  }

  private void start(int device) {
    String own = name + "-" + device;
    int threads =
        request
            .threads()
            .orElse(
                Math.max(1, Runtime.getRuntime().availableProcessors() / request.devices().size()));
    CompletableFuture<Integer> end = new CompletableFuture<>();
    children.add(
        Child.start(
            new Child.Plan(
                new RunEvent.Member("worker", own, 1, 0),
                DeviceWorkerProcess.class,
                DeviceWorkerProcess.arguments(request, own, device, threads),
                Runtime.getRuntime().maxMemory() / MIB,
                DIRECT_MIB,
                JoinedWorker.log(own),
                Map.of(
                    VISIBLE,
                    visible(device, Optional.ofNullable(System.getenv(VISIBLE))),
                    WORKSPACE,
                    ":4096:8")),
            lines,
            exitCode -> ended(own, exitCode, end)));
    ends.add(end);
  }

  private void ended(String own, int exitCode, CompletableFuture<Integer> end) {
    if (exitCode != 0 && !stop.isAsked()) {
      lines.accept(
          "worker %s ended with exit code %d; its log is %s"
              .formatted(own, exitCode, JoinedWorker.log(own)));
    }
    end.complete(exitCode);
  }

  /** What a child is shown of the devices; numbers are those of what this process is shown. */
  static String visible(int device, Optional<String> shown) {
    return shown.map(all -> all.split(",", -1)[device].strip()).orElse(Integer.toString(device));
  }

  private void end() {
    try {
      children.forEach(Child::letGo);
      for (Child child : children) {
        child.awaitEnd(LET_GO_MS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      children.forEach(Child::kill);
    }
  }
}
