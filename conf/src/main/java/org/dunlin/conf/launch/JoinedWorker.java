package org.dunlin.conf.launch;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.dunlin.conf.log.Logs;
import org.dunlin.coordinator.checkpoint.CopySender;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.driver.HostCheck;
import org.dunlin.worker.copy.CopyKeeper;
import org.dunlin.worker.engine.Devices;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.hang.HangLimits;
import org.dunlin.worker.hang.HangWatch;
import org.dunlin.worker.member.WorkerEnd;
import org.dunlin.worker.member.WorkerSetup;
import org.dunlin.worker.step.KernelProbe;
import org.dunlin.worker.step.Memory;
import org.dunlin.worker.step.StepCompute;
import org.dunlin.worker.trace.Trace;

/**
 * {@code dunlin worker --join HOST:PORT}: a worker that a person started. It needs no file but its
 * installation, because model, data and settings come from the coordinator.
 */
public final class JoinedWorker {
  static final int STOPPED = 130;

  /** How many of a run may be on this machine is not known yet. */
  private static final int LEAST_MEMBERS = 2;

  private JoinedWorker() {}

  /** Gives the exit code: 0 left in order, 1 failed, 130 stopped; tells standard error why. */
  public static int run(JoinRequest request) {
    Devices.require(request.devices());
    StopRequest stop =
        StopRequest.bySignals("leaving the run after the step under way; once more ends at once");
    if (!request.devices().isEmpty()) {
      return new DeviceWorkers(request, stop, System.err::println).run();
    }
    String name = request.name().orElseGet(JoinedWorker::ownName);
    Logs.toFile(log(name));
    return join(request, name, stop.first(), System.err::println);
  }

  /** What a worker writes its log to. */
  static Path log(String name) {
    return Path.of(System.getProperty("java.io.tmpdir"), "dunlin-" + name + ".log");
  }

  /** The same for one worker, in this process. */
  static int join(
      JoinRequest request, String name, CompletionStage<Void> stop, Consumer<String> lines) {
    Supplier<Trace> trace =
        () -> request.trace().map(file -> Trace.to(file, name)).orElse(Trace.NONE);
    try (HangWatch watch = HangWatch.start(HangLimits.USUAL)) {
      return join(request, name, stop, lines, trace, watch);
    }
  }

  /**
   * The same with a watch of the caller's own.
   *
   * @param trace is asked for once
   * @param watch ends the worker where it hangs; then this process must end, too
   */
  public static int join(
      JoinRequest request,
      String name,
      CompletionStage<Void> stop,
      Consumer<String> lines,
      Supplier<Trace> trace,
      HangWatch watch) {
    request.devices().forEach(Devices::requireEngine);
    EncoderDevice on = request.devices().isEmpty() ? EncoderDevice.PROCESSOR : EncoderDevice.CUDA;
    WorkerId worker = new WorkerId(name, 1);
    Consumer<String> told = sentence -> lines.accept("worker " + worker + ": " + sentence);
    String host = Addresses.numeric("--join", request.coordinator().host());
    Endpoint coordinator = new Endpoint(host, request.coordinator().port());
    HostCheck.forMembers(LEAST_MEMBERS).forEach(told);
    Trace traced = trace.get();
    Optional<String> way = Knock.await(coordinator, request.patience().toMillis(), stop, told);
    if (way.isEmpty()) {
      told.accept("stopped before it joined a run");
      return STOPPED;
    }
    String own = request.host().map(at -> Addresses.numeric("--host", at)).orElse(way.get());
    HostCheck.forOtherHosts(own).forEach(told);
    WorkerSetup setup =
        new WorkerSetup(
            worker,
            Version.CURRENT,
            own,
            spec -> device(spec, on, request, traced, watch, told),
            spec -> KernelProbe.sha256(spec.compute(), on),
            Math.toIntExact(request.patience().toMillis()),
            watch,
            told);
    String where =
        "a run's cluster at %s:%d (expected: a coordinator of Dunlin %s that was started with that very address)"
            .formatted(host, coordinator.port(), Version.CURRENT);
    WorkerEnd end =
        Membership.run(
            setup,
            node -> {
              node.join(coordinator);
              node.spawn(CopyKeeper.create(request.copies(), CopySender.KEY, told), "copies");
            },
            where,
            stop);
    told.accept(
        (end.failed() ? "failed: " : "ended: ") + end.reason() + "; its log is " + log(name));
    return !end.failed() ? 0 : stop.toCompletableFuture().isDone() ? STOPPED : 1;
  }

  private static int threads(JoinRequest request) {
    return request.threads().orElse(Runtime.getRuntime().availableProcessors());
  }

  private static StepCompute device(
      RunSpec spec,
      EncoderDevice on,
      JoinRequest request,
      Trace trace,
      HangWatch watch,
      Consumer<String> told) {
    MemoryBudget.requireBlocks(spec);
    MemoryBudget budget = MemoryBudget.of(spec, threads(request), 1);
    return on.isInPlace()
        ? onProcessor(spec, budget, request, trace, watch, told)
        : onDevice(spec, on, budget.besideDevice(), request, trace, watch, told);
  }

  private static StepCompute onProcessor(
      RunSpec spec,
      MemoryBudget budget,
      JoinRequest request,
      Trace trace,
      HangWatch watch,
      Consumer<String> told) {
    budget.require(told);
    Processor.advice(spec.compute().precision()).ifPresent(told);
    return StepCompute.among(1, spec, threads(request), trace, watch);
  }

  private static StepCompute onDevice(
      RunSpec spec,
      EncoderDevice on,
      MemoryBudget budget,
      JoinRequest request,
      Trace trace,
      HangWatch watch,
      Consumer<String> told) {
    budget.require(told);
    DeviceBudget there = DeviceBudget.ofCuda(spec, budget.parametersBytes(), threads(request));
    there.requireParameters();
    told.accept(there.line());
    Memory memory = there.memory(spec.compute().recomputesLayers());
    return StepCompute.on(on, spec, there.threads(), memory, trace, watch);
  }

  // Processes of containers may all have number 1, but hardly the same host name as well.
  static String ownName() {
    String host;
    try {
      host = InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      host = "worker";
    }
    return host.replaceAll("[^A-Za-z0-9._-]", "-") + "-" + ProcessHandle.current().pid();
  }

  /** Refuses a name that a worker cannot have. */
  public static String requireName(String name) {
    if (!name.matches("[A-Za-z0-9._-]{1,100}")) {
      throw Refusal.usage(
          "--name: '%s' (expected: letters, digits, '.', '_' and '-', at most 100)"
              .formatted(name));
    }
    return name;
  }
}
