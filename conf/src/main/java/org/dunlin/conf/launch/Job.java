package org.dunlin.conf.launch;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import org.dunlin.conf.report.MetricsLog;
import org.dunlin.conf.report.ProcessesFile;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.driver.HostCheck;

/**
 * One training job: inputs that are checked, a run folder that is ready, nothing started yet.
 *
 * <pre>{@code
 * try (Job job = Job.open(settings)) {
 *   Outcome outcome = job.run(job.watching(Progress.onStandardError(1)), StopRequest.bySignals());
 * }
 * }</pre>
 */
public final class Job implements AutoCloseable {
  private static final long MIB = 1 << 20;

  private final RunFolder folder;
  private Settings settings;
  private Inputs inputs;
  private final boolean elsewhere;
  private final List<String> hostLines;

  private Job(
      Settings settings,
      Inputs inputs,
      RunFolder folder,
      boolean elsewhere,
      List<String> hostLines) {
    this.elsewhere = elsewhere;
    this.hostLines = hostLines;
    this.settings = settings;
    this.inputs = inputs;
    this.folder = folder;
  }

  /** Checks everything that can be known before a run, then makes its folder. */
  public static Job open(Settings settings) {
    return open(settings, false);
  }

  /** The same for a job whose workers are started by hand, on other machines. */
  public static Job openForWorkersElsewhere(Settings settings) {
    ClusterRun.requireAddress(settings);
    return open(settings, true);
  }

  /**
   * The same for a run whose coordinator is on another machine: once that is gone. Blocks until
   * then; empty if the run has ended.
   */
  public static Optional<Job> standBy(Settings settings) {
    ClusterRun.requireAddress(settings);
    return open(settings, true, inputs -> awaited(settings, inputs));
  }

  private static Job open(Settings settings, boolean elsewhere) {
    return open(settings, elsewhere, inputs -> Optional.of(folder(settings, inputs))).orElseThrow();
  }

  private static Optional<Job> open(
      Settings settings, boolean elsewhere, Function<Inputs, Optional<RunFolder>> opener) {
    if (elsewhere || settings.workers() > 0) {
      Timeouts.require(settings);
    }
    if (elsewhere) {
      refuseHere("micro-batch.probe", settings.probes(), "set micro-batch.by-length by hand");
      refuseHere("run.trace", settings.traces(), "give a worker --trace FILE");
    }
    List<String> hostLines =
        elsewhere || settings.workers() == 0 ? List.of() : HostCheck.forMembers(settings.workers());
    Inputs inputs = Inputs.open(settings);
    try {
      MemoryBudget.requireBlocks(inputs.spec());
      if (elsewhere) {
        inputs.evaluationNeeds();
      } else {
        requireMemory(settings, inputs);
      }
      Optional<RunFolder> opened = opener.apply(inputs);
      if (opened.isEmpty()) {
        inputs.close();
        return Optional.empty();
      }
      RunFolder folder = opened.get();
      try {
        Files.writeString(folder.path().resolve(RunFolder.SETTINGS), settings.render());
        if (settings.traces()) {
          Files.createDirectories(folder.path().resolve(RunFolder.TRACES));
        }
        return Optional.of(new Job(settings, inputs, folder, elsewhere, hostLines));
      } catch (IOException | RuntimeException e) {
        folder.close();
        throw e;
      }
    } catch (IOException e) {
      inputs.close();
      throw Refusal.usage(settings.runFolder() + ": cannot be written: " + e.getMessage());
    } catch (RuntimeException e) {
      inputs.close();
      throw e;
    }
  }

  /** The settings of the run in a folder. */
  public static Path settingsOf(Path runFolder) {
    return runFolder.resolve(RunFolder.SETTINGS);
  }

  private static RunFolder folder(Settings settings, Inputs inputs) {
    if (settings.resume().isPresent()) {
      return requireSame(settings, inputs, RunFolder.resume(settings.runFolder()));
    }
    List<Path> read = new ArrayList<>(settings.dataFiles());
    read.add(settings.modelPath());
    if (settings.evaluateEverySteps() > 0) {
      settings
          .evaluationFiles()
          .ifPresent(files -> read.addAll(List.of(files.corpus(), files.queries(), files.qrels())));
      read.addAll(settings.evaluationData());
    }
    return RunFolder.create(settings.runFolder(), settings.overwrite(), read);
  }

  private static Optional<RunFolder> awaited(Settings settings, Inputs inputs) {
    return RunFolder.await(settings.runFolder())
        .map(folder -> requireSame(settings, inputs, folder));
  }

  // What decides the bits must be what it was.
  private static RunFolder requireSame(Settings settings, Inputs inputs, RunFolder folder) {
    try {
      Settings before = Settings.load(Optional.of(settingsOf(folder.path())), Map.of());
      List<String> changed = new ArrayList<>(settings.changedSince(before));
      changed.removeAll(settings.allowedChanges());
      if (!changed.isEmpty()) {
        throw Refusal.usage(
            "%s: %s %s not what the run began with, and decides its model (expected: no change, or --allow-change %s)"
                .formatted(
                    folder.path(),
                    String.join(", ", changed),
                    changed.size() == 1 ? "is" : "are",
                    String.join(" --allow-change ", changed)));
      }
      inputs.requireResumable(folder.path());
      return folder;
    } catch (RuntimeException e) {
      folder.close();
      throw e;
    }
  }

  private static void refuseHere(String key, boolean isSet, String instead) {
    if (isSet) {
      throw Refusal.usage(
          "%s: true looks at workers on this machine (expected: false, for workers elsewhere); %s"
              .formatted(key, instead));
    }
  }

  private static void requireMemory(Settings settings, Inputs inputs) {
    MemoryBudget budget = budget(settings, inputs.spec());
    CheckpointEvaluator.Needs needs = inputs.evaluationNeeds();
    long beside = needs.heapBytes() + needs.directBytes();
    if (settings.workers() == 0) {
      budget.requireDirect();
      budget.requirePhysical(1, Runtime.getRuntime().maxMemory() + beside);
      return;
    }
    long heapMib =
        settings.coordinatorHeapMib() + (long) settings.workers() * settings.workerHeapMib();
    budget.requirePhysical(settings.workers(), heapMib * MIB + beside);
  }

  private static MemoryBudget budget(Settings settings, RunSpec spec) {
    return MemoryBudget.of(spec, settings.computeThreads(), Math.max(1, settings.workers()));
  }

  public RunSpec spec() {
    return inputs.spec();
  }

  /** What the plan makes of the training files, and what this machine's person should know. */
  public List<String> planLines() {
    List<String> lines = new ArrayList<>(inputs.planLines());
    lines.addAll(hostLines);
    if (!elsewhere) {
      Processor.advice(spec().compute().precision()).ifPresent(lines::add);
      lines.add(budget(settings, spec()).line());
    }
    return List.copyOf(lines);
  }

  /**
   * Finds the micro-batches that there is memory for, if the settings ask for it; the run and its
   * {@code run.conf} then have them as limits. Before {@link #run}.
   *
   * @param lines are shown what is tried and found
   * @param stop what may end it early; the run that follows then ends at once too
   */
  public void probe(Consumer<String> lines, StopRequest stop) {
    if (!settings.probes()) {
      return;
    }
    Probe probe = new Probe(settings, spec(), folder.path(), lines, stop);
    probe
        .limits(inputs.longestText())
        .ifPresent(
            limits -> {
              inputs = inputs.with(limits);
              settings = settings.probed(limits);
              try {
                Files.writeString(folder.path().resolve(RunFolder.SETTINGS), settings.render());
              } catch (IOException e) {
                throw Refusal.run(folder.path() + ": cannot be written: " + e.getMessage(), e);
              }
            });
  }

  public Path runFolder() {
    return folder.path();
  }

  /** The watchers that every run has, which write to its folder, and some more. */
  public Watcher watching(Watcher... more) {
    List<Watcher> all = new ArrayList<>();
    all.add(new ProcessesFile(folder.path()));
    all.add(new MetricsLog(folder.path(), settings.resume().isPresent()));
    all.addAll(List.of(more));
    return Watcher.all(all);
  }

  /**
   * Runs it to its end; everything that was started is closed on return. Once.
   *
   * @param watcher told of everything that happens; the caller closes it
   * @param stop what may end it early
   */
  public Outcome run(Watcher watcher, StopRequest stop) {
    if (elsewhere) {
      return ClusterRun.run(inputs, settings, folder.path(), watcher, stop);
    }
    return settings.workers() == 0
        ? runHere(1, watcher, stop)
        : new ProcessRun(settings, inputs.spec(), folder.path(), watcher, stop).run();
  }

  /**
   * {@link #run} with all workers in this process.
   *
   * @param workers at least 1
   */
  public Outcome runHere(int workers, Watcher watcher, StopRequest stop) {
    return LocalRun.run(inputs, settings, folder.path(), workers, watcher, stop);
  }

  @Override
  public void close() {
    inputs.close();
    folder.close();
  }
}
