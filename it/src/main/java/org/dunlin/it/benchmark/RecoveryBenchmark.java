package org.dunlin.it.benchmark;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.dunlin.protocol.Refusal;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** What a lost worker costs the others, beside a run under torchrun. */
@Command(
    name = "recovery",
    mixinStandardHelpOptions = true,
    showDefaultValues = true,
    description = {
      "Sends SIGKILL or SIGSTOP to one worker of a run after the other, each at a random moment of a",
      "step when all take part, and times what the run's supervisor sees: the next commit by the",
      "others, and their commits while the worker is started again, learns and takes part. A stopped",
      "process goes on after that commit, ends because it is out, and is started again as well.",
      "Then it kills coordinators. Runs are at work: their standby is ready.",
      "Run it in the repository's root, or name model and data.",
      "Example: ./dunlin benchmark recovery --python .venv-peer/bin/python"
    })
final class RecoveryBenchmark implements Callable<Integer> {
  private static final String FIXTURES = "it/src/test/fixtures/golden/";
  private static final int PAIRS = 16;
  private static final int SLOTS = 8;
  private static final double KILL_GOAL_MS = 300;
  private static final double STOP_GOAL_MS = 1500;
  private static final double COORDINATOR_GOAL_MS = 3000;

  @Option(
      names = "--python",
      description = "A Python with torch and transformers; absent: no peer.")
  private Optional<String> python = Optional.empty();

  @Option(names = "--workers", description = "Workers, each with one compute thread.")
  private int workers = 3;

  @Option(names = "--kills", description = "Workers that are killed.")
  private int kills = 20;

  @Option(names = "--stops", description = "Workers that are stopped.")
  private int stops = 10;

  @Option(names = "--coordinator-kills", description = "Coordinators that are killed.")
  private int coordinatorKills = 10;

  @Option(names = "--lease-ms", description = "Silence after which a worker is taken for dead.")
  private int leaseMs = 1000;

  @Option(names = "--peer-kills", description = "Workers of the peer that are killed.")
  private int peerKills = 5;

  @Option(names = "--peer-every", description = "Steps between the peer's checkpoints.")
  private int peerEvery = 5;

  @Option(names = "--model", description = "Folder of the model.")
  private Path model = Path.of(FIXTURES, "model");

  @Option(names = "--data", description = "Training data.")
  private Path data = Path.of(FIXTURES, "train.jsonl");

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (!Files.isDirectory(model) || !Files.isRegularFile(data)) {
      throw Refusal.usage(
          "%s or %s is not there (expected: a model's folder and its data); run this in the repository's root, or give --model and --data"
              .formatted(model, data));
    }
    Path folder = Files.createTempDirectory("bench-recovery");
    Disturbance killed = new Disturbance("KILL", keys(), workers);
    Disturbance stopped = new Disturbance("STOP", keys(), workers);
    killed.measure(folder, kills);
    stopped.measure(folder, stops);
    Succession succession = new Succession(keys());
    succession.measure(folder, coordinatorKills);
    System.out.printf(
        "%d workers with one compute thread each, %d pairs a step, step.lease-ms = %d; the runs' folders: %s%n",
        workers, PAIRS, leaseMs, folder);
    System.out.printf("%-58s %5s %9s %9s %9s%n", "milliseconds", "of", "p50", "p95", "most");
    print("a step of all workers", both(killed.step, stopped.step));
    print(killed, "SIGKILL", KILL_GOAL_MS);
    print(stopped, "SIGSTOP", STOP_GOAL_MS);
    print(
        "longest time between commits while a process starts",
        both(killed.gapWhileStarting, stopped.gapWhileStarting));
    print(
        "longest time between commits while it learns and joins",
        both(killed.gapWhileJoining, stopped.gapWhileJoining));
    print("signal until all take part again", both(killed.toHeal, stopped.toHeal));
    System.out.printf("committed steps lost or committed twice: %d%n", killed.lost + stopped.lost);
    if (coordinatorKills > 0) {
      print("SIGKILL of the coordinator to the next commit", succession.toCommit);
      printGoal(succession.toCommit, COORDINATOR_GOAL_MS, 0);
    }
    if (python.isPresent()) {
      comparePeer(python.get());
    }
    return 0;
  }

  private Map<String, Object> keys() {
    Map<String, Object> keys = new HashMap<>();
    keys.put("model.path", model);
    keys.put("data.files", List.of(data));
    keys.put("batch.size", PAIRS);
    keys.put("slots", SLOTS);
    keys.put("micro-batch.tokens", 512);
    keys.put("train.steps", 1_000_000);
    keys.put("workers", workers);
    keys.put("compute-threads", 1);
    keys.put("step.lease-ms", leaseMs);
    return keys;
  }

  private static List<Double> both(List<Double> some, List<Double> others) {
    List<Double> both = new ArrayList<>(some);
    both.addAll(others);
    return both;
  }

  private void print(Disturbance figures, String signal, double goalMs) {
    if (figures.toCommit.isEmpty()) {
      return;
    }
    print(signal + " to the next commit by the others", figures.toCommit);
    print("  of that: until the coordinator knows", figures.toNotice);
    print("  of that: a new generation, and the rest of the step", figures.toRecover);
    print("  percent of the step computed again, by the others", figures.again);
    int slots = (SLOTS + workers - 1) / workers;
    double share = 100.0 * slots / SLOTS;
    double again = figures.again.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    System.out.printf(
        Locale.ROOT,
        "  %.1f %% on average: the goal, a worker's share of %d slots (%.1f %%), is %s%n",
        again,
        SLOTS,
        share,
        again <= share ? "met" : "missed");
    printGoal(figures.toCommit, goalMs, Figures.percentile(figures.step, 50));
  }

  private static void printGoal(List<Double> ms, double goalMs, double stepMs) {
    double p95 = Figures.percentile(ms, 95);
    System.out.printf(
        Locale.ROOT,
        "  p95 %.0f ms: the goal, %.0f ms and a step of %.0f ms, is %s%n",
        p95,
        goalMs,
        stepMs,
        p95 <= goalMs + stepMs ? "met" : "missed");
  }

  private static void print(String what, List<Double> ms) {
    System.out.printf(
        Locale.ROOT,
        "%-58s %5d %9.0f %9.0f %9.0f%n",
        what,
        ms.size(),
        Figures.percentile(ms, 50),
        Figures.percentile(ms, 95),
        Figures.percentile(ms, 100));
  }

  private void comparePeer(String interpreter) throws IOException, InterruptedException {
    List<Double> toStep = new ArrayList<>();
    List<Double> redone = new ArrayList<>();
    List<Double> steps = new ArrayList<>();
    try (Torchrun peer = new Torchrun(interpreter, model, workers, peerEvery, PAIRS)) {
      for (int k = 0; k < peerKills; k++) {
        Torchrun.Done before = peer.next();
        for (int s = 0; s < 4 * peerEvery + k; s++) { // not always right after a checkpoint
          Torchrun.Done done = peer.next();
          steps.add((done.atNs() - before.atNs()) / 1e6);
          before = done;
        }
        long sentNs = System.nanoTime();
        Disturbance.send("KILL", peer.worker(k % workers).pid());
        long last = before.step();
        long again = 0;
        Torchrun.Done done = peer.next();
        while (done.lives() == before.lives() || done.step() <= last) {
          again += done.lives() == before.lives() ? 0 : 1;
          last = done.lives() == before.lives() ? done.step() : last; // one more may be under way
          done = peer.next();
        }
        toStep.add((done.atNs() - sentNs) / 1e6);
        redone.add((double) again);
      }
    }
    System.out.println("torchrun, DDP over gloo, the same model, a checkpoint every " + peerEvery);
    print("a step", steps);
    print("SIGKILL to the first step that was not done before", toStep);
    print("steps done again", redone);
  }
}
