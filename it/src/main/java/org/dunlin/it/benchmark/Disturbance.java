package org.dunlin.it.benchmark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.it.live.Census;
import org.dunlin.it.live.LiveRun;
import org.dunlin.protocol.Refusal;

/**
 * A run whose workers are sent a signal, one after the other, each at a random moment of a step and
 * when all take part; and what that cost, as its supervisor sees it. Milliseconds all.
 */
final class Disturbance {
  /** Steps whose median says what a step takes. */
  private static final int CALM_STEPS = 20;

  /** A worker that dies five times in a row is not started again. */
  private static final int MOST_DEATHS = 4;

  /** Of every wait. */
  static final long LIMIT_SECONDS = 300;

  /** In nanoseconds. */
  static final double MS = 1e6;

  /** What a worker's log says of a step that goes on in another generation. */
  private static final Pattern GOES_ON =
      Pattern.compile(
          "step (\\d+) goes on with \\d+ members: of its (\\d+) texts (\\d+) are encoded here that were others'");

  /** From the signal to the first commit by the others. */
  final List<Double> toCommit = new ArrayList<>();

  /** Of that: until the coordinator took the worker for dead. */
  final List<Double> toNotice = new ArrayList<>();

  /** Of that: from then on. */
  final List<Double> toRecover = new ArrayList<>();

  /** What of that step's texts the others encoded in the dead one's place, in percent. */
  final List<Double> again = new ArrayList<>();

  /** From the signal until all take part again. */
  final List<Double> toHeal = new ArrayList<>();

  /** A step of all workers. */
  final List<Double> step = new ArrayList<>();

  /** The longest time between two commits while a new process starts. */
  final List<Double> gapWhileStarting = new ArrayList<>();

  /** The longest time between two commits from its first lesson until it has taken part. */
  final List<Double> gapWhileJoining = new ArrayList<>();

  /** Steps that were committed twice, or never. */
  long lost;

  private final Random random = new Random(1);
  private final String signal;
  private final Map<String, Object> keys;
  private final int workers;
  private long lastStep;
  private long lastCommitNs;

  /**
   * @param signal KILL or STOP
   * @param keys of the run's settings, without its folder
   */
  Disturbance(String signal, Map<String, Object> keys, int workers) {
    this.signal = signal;
    this.keys = keys;
    this.workers = workers;
  }

  /** Sends so many signals, in as many runs as it takes. */
  void measure(Path folder, int signals) throws IOException, InterruptedException {
    int left = signals;
    for (int r = 1; left > 0; r++) {
      Map<String, Object> all = new HashMap<>(keys);
      all.put("run.output", folder.resolve(signal + "-" + r));
      int now = Math.min(left, MOST_DEATHS * workers);
      try (LiveRun run = LiveRun.start(Settings.load(Optional.empty(), all), LIMIT_SECONDS)) {
        run.await(RunEvent.Started.class::isInstance);
        run.await(
            event ->
                Succession.isNoted(
                    event,
                    "a standby is ready")); // until then one of its processes is still starting
        lastStep = -1;
        for (int s = 0; s < now; s++) {
          disturb(run, "worker-" + (s % workers + 1), folder.resolve(signal + "-" + r));
        }
        run.stop();
      }
      left -= now;
    }
  }

  private void disturb(LiveRun run, String name, Path output)
      throws IOException, InterruptedException {
    double calmMs = calmStep(run);
    step.add(calmMs);
    RunEvent.Member victim =
        run.census().workers().stream()
            .filter(member -> member.name().equals(name))
            .findFirst()
            .orElseThrow();
    LockSupport.parkNanos((long) (random.nextDouble() * calmMs * MS));
    long sentNs = System.nanoTime();
    send(signal, victim.pid());
    LiveRun.Seen missed = next(run);
    while (!(missed.event() instanceof RunEvent.Missed)) {
      missed = next(run);
    }
    LiveRun.Seen commit = next(run);
    while (!(commit.event() instanceof RunEvent.StepCommitted)) {
      commit = next(run);
    }
    toCommit.add((commit.atNs() - sentNs) / MS);
    toNotice.add((missed.atNs() - sentNs) / MS);
    toRecover.add((commit.atNs() - missed.atNs()) / MS);
    again.add(percentAgain(output, lastStep));
    System.err.printf(
        "%s %s: known after %.0f ms, the others' next commit %.0f ms later, with %.0f %% of the step computed again; a step took %.0f ms%n",
        signal,
        Census.id(victim),
        toNotice.get(toNotice.size() - 1),
        toRecover.get(toRecover.size() - 1),
        again.get(again.size() - 1),
        calmMs);
    if (signal.equals("STOP")) {
      send("CONT", victim.pid());
    }
    heal(run);
    toHeal.add((System.nanoTime() - sentNs) / MS);
  }

  // 0 where nobody had begun it: each worker logs what it has to do before it does it.
  private static double percentAgain(Path output, long step) throws IOException {
    double share = 0;
    try (Stream<Path> logs = Files.list(output.resolve("logs"))) {
      for (Path log : logs.toList()) {
        Matcher found = GOES_ON.matcher(Files.readString(log));
        while (found.find()) {
          boolean isIt = Long.parseLong(found.group(1)) == step;
          share +=
              isIt ? 100.0 * Long.parseLong(found.group(3)) / Long.parseLong(found.group(2)) : 0;
        }
      }
    }
    return share;
  }

  private double calmStep(LiveRun run) throws InterruptedException {
    List<Double> steps = new ArrayList<>();
    while (steps.size() < CALM_STEPS || run.census().complete().size() < workers) {
      long before = lastCommitNs;
      LiveRun.Seen seen = next(run);
      if (seen.event() instanceof RunEvent.StepCommitted
          && run.census().complete().size() == workers) {
        steps.add((seen.atNs() - before) / MS);
      }
    }
    return Figures.percentile(steps.subList(steps.size() - CALM_STEPS, steps.size()), 50);
  }

  private void heal(LiveRun run) throws InterruptedException {
    double starting = 0;
    double joining = 0;
    boolean learns = false;
    while (run.census().complete().size() < workers) {
      long before = lastCommitNs;
      LiveRun.Seen seen = next(run);
      if (seen.event() instanceof RunEvent.StepCommitted) {
        double gap = (seen.atNs() - before) / MS;
        starting = learns ? starting : Math.max(starting, gap);
        joining = learns ? Math.max(joining, gap) : joining;
      } else if (seen.event() instanceof RunEvent.Noted noted) {
        learns |= noted.sentence().contains(" is there; it learns ");
      }
    }
    gapWhileStarting.add(starting);
    gapWhileJoining.add(joining);
  }

  private LiveRun.Seen next(LiveRun run) throws InterruptedException {
    LiveRun.Seen seen = run.await(event -> true);
    if (seen.event() instanceof RunEvent.StepCommitted committed) {
      lost += lastStep >= 0 && committed.step() != lastStep + 1 ? 1 : 0;
      lastStep = committed.step();
      lastCommitNs = seen.atNs();
    }
    return seen;
  }

  // By the process's number: a stopped process is no affair of Java's own.
  static void send(String signal, long pid) throws IOException, InterruptedException {
    if (signal.equals("KILL")) {
      ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
      return;
    }
    Process kill = new ProcessBuilder("kill", "-" + signal, Long.toString(pid)).start();
    if (!kill.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS) || kill.exitValue() != 0) {
      throw Refusal.run("process %d cannot be sent SIG%s".formatted(pid, signal));
    }
  }
}
