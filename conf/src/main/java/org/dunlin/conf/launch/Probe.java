package org.dunlin.conf.launch;

import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.dunlin.conf.launch.ProbeProcess.Verdict;
import org.dunlin.conf.probe.HostMemory;
import org.dunlin.conf.probe.LimitSearch;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.ActivationBytes;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.wire.RunSpecCodec;

/**
 * Finds the micro-batches that this host has the memory for, by trials in processes of their own.
 * All workers of a host are alike, so one is tried at a time, with its share of the memory.
 */
final class Probe {
  // The rest is for what grows slowly in a run, for shared memory, and for everybody else.
  private static final double USABLE = 0.9;

  private static final long MIB = 1 << 20;
  private static final double GIB = 1L << 30;

  private final Settings settings;
  private final RunSpec spec;
  private final Path runFolder;
  private final Consumer<String> lines;
  private final StopRequest stop;
  private final int workers;
  private final MemoryBudget budget;
  private final long share;

  /** A person asked for the end. */
  private static final class Stopped extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /**
   * @param lines are shown what is tried and found
   */
  Probe(Settings settings, RunSpec spec, Path runFolder, Consumer<String> lines, StopRequest stop) {
    this.settings = settings;
    this.spec = spec;
    this.runFolder = runFolder;
    this.lines = lines;
    this.stop = stop;
    this.workers = Math.max(1, settings.workers());
    this.budget = MemoryBudget.of(spec, settings.computeThreads(), workers);
    this.share = share(new HostMemory().availableBytes().orElseThrow(Probe::unknown));
  }

  private static Refusal unknown() {
    return Refusal.usage(
        "micro-batch.probe: true (expected: false on this system, which does not tell how much memory is free); set micro-batch.tokens by hand");
  }

  private long share(long available) {
    long coordinator = settings.workers() == 0 ? 0 : settings.coordinatorHeapMib() * MIB;
    return (long) (available * USABLE - coordinator) / workers;
  }

  /**
   * The limits by length of the run, or empty if a person asked for its end.
   *
   * @param longest padded length of the longest text
   */
  Optional<List<MicroBatchLimit>> limits(int longest) {
    lines.accept(
        "probing: the longest text has %d tokens; each of %d worker%s may take %s"
            .formatted(longest, workers, workers == 1 ? "" : "s", gib(share)));
    try {
      List<MicroBatchLimit> limits = LimitSearch.find(spec.batch(), longest, this::fits);
      lines.accept(
          "micro-batch.by-length = "
              + limits.stream()
                  .map(limit -> "\"%d:%d\"".formatted(limit.minTokens(), limit.mostTokens()))
                  .collect(Collectors.joining(", ", "[", "]")));
      return Optional.of(limits);
    } catch (Stopped e) {
      return Optional.empty();
    }
  }

  private boolean fits(int rows, int tokens) {
    Verdict verdict = tried(rows, tokens);
    String took = verdict.bytes() > 0 ? gib(verdict.bytes()) : "all memory there is";
    lines.accept(
        "probed: micro-batches of %d rows of %d tokens, %d at once: a worker takes %s%s"
            .formatted(
                rows, tokens, settings.computeThreads(), took, verdict.fits() ? "" : ", too much"));
    return verdict.fits();
  }

  private Verdict tried(int rows, int tokens) {
    RunEvent.Member member = new RunEvent.Member("probe", "probe", 1, 0);
    Path log = RunFolder.log(runFolder, member.name());
    List<String> arguments =
        List.of(
            Base64.getEncoder().encodeToString(RunSpecCodec.bytes(spec)),
            Integer.toString(settings.computeThreads()),
            Integer.toString(rows),
            Integer.toString(tokens),
            Long.toString(budget.partialBytes() + budget.gatherBytes()),
            Long.toString(share - keptBytes()));
    Heard heard = new Heard();
    CompletableFuture<Integer> end = new CompletableFuture<>();
    Child child =
        Child.startConfined(
            new Child.Plan(
                member,
                ProbeProcess.class,
                arguments,
                settings.workers() == 0
                    ? Runtime.getRuntime().maxMemory() / MIB
                    : settings.workerHeapMib(),
                budget.directBytes() / MIB + ProcessRun.MORE_DIRECT_MIB,
                log),
            heard::line,
            end::complete);
    stop.first().thenRun(child::kill);
    int exitCode = end.join();
    if (stop.isAsked()) {
      throw new Stopped();
    }
    return heard.verdict(exitCode, log);
  }

  // A run keeps graphs only while there is room, but nobody tells it when others are short.
  private long keptBytes() {
    BatchSpec batch = spec.batch();
    int tokens = Math.max(batch.queryMaxTokens(), batch.passageMaxTokens());
    long rows = (long) batch.pools() * batch.pairs() * (1 + batch.groupSize());
    long ofRow =
        spec.compute().recomputesLayers()
            ? ActivationBytes.states(spec.encoder(), 1, tokens)
            : ActivationBytes.graph(spec.encoder(), spec.compute().precision(), false, 1, tokens);
    return Math.min(budget.keptBytes(), rows * ofRow);
  }

  /** What a trial said. Filled by the child's own thread before its end is told. */
  private static final class Heard {
    private boolean ready;
    private Optional<Verdict> verdict = Optional.empty();

    synchronized void line(String line) {
      if (line.equals(ProbeProcess.READY)) {
        ready = true;
      } else {
        verdict = verdict.or(() -> Verdict.of(line));
      }
    }

    // Who is in place and then ends without a word was ended by the lack of memory.
    synchronized Verdict verdict(int exitCode, Path log) {
      if (verdict.isPresent()) {
        return verdict.get();
      }
      if (ready && exitCode != ProbeProcess.FAILED) {
        return new Verdict(false, 0);
      }
      throw Refusal.run(
          "the probing process failed (exit code %d), not for lack of memory; its log is %s"
              .formatted(exitCode, log));
    }
  }

  private static String gib(long bytes) {
    return String.format(Locale.ROOT, "%.2f GiB", bytes / GIB);
  }
}
