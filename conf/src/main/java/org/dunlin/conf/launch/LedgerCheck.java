package org.dunlin.conf.launch;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.ledger.CommittedStep;
import org.dunlin.coordinator.ledger.LedgerProof;
import org.dunlin.coordinator.ledger.LedgerProof.Epoch;
import org.dunlin.coordinator.ledger.LedgerProof.Verdict;
import org.dunlin.coordinator.ledger.LedgerReader;
import org.dunlin.data.feed.PlannedSteps;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.ledger.LedgerRecord.Header;

/**
 * {@code dunlin ledger}: proves from a run's ledger that each sample counted exactly once. It only
 * reads, and may do so while the run goes on.
 */
public final class LedgerCheck {
  private final LedgerReader ledger;
  private final PrintStream out;

  private LedgerCheck(LedgerReader ledger, PrintStream out) {
    this.ledger = ledger;
    this.out = out;
  }

  /** Gives the exit code; what is not proven is a Refusal, after the table of what was read. */
  public static int run(LedgerRequest request, PrintStream out) {
    Path conf = request.runFolder().resolve(RunFolder.SETTINGS);
    if (!Files.isRegularFile(conf)) {
      throw Refusal.usage(
          "%s: holds no %s (expected: a run's folder)"
              .formatted(request.runFolder(), RunFolder.SETTINGS));
    }
    LedgerCheck check = new LedgerCheck(LedgerReader.open(request.runFolder()), out);
    Optional<Header> header = check.ledger.header();
    if (request.step().isPresent()) {
      check.printSamples(request.step().getAsLong());
    } else if (header.isEmpty()) {
      out.println("ledger: 0 steps; nothing is committed yet");
    } else if (request.withoutData()) {
      check.proveAlone(header.get());
    } else {
      check.prove(header.get(), conf);
    }
    return 0;
  }

  private void printSamples(long number) {
    AtomicLong steps = new AtomicLong();
    AtomicReference<CommittedStep> found = new AtomicReference<>();
    ledger.read(
        step -> {
          steps.incrementAndGet();
          if (step.step() == number) {
            found.set(step);
          }
        });
    if (found.get() == null) {
      throw Refusal.run(
          "step %d: not in the ledger (expected: one of the %d committed ones, from 0)"
              .formatted(number, steps.get()));
    }
    Arrays.stream(found.get().sampleIds()).forEach(out::println);
  }

  private void proveAlone(Header header) {
    String proven = prove(header, Optional.empty());
    out.println(
        proven
            + "; that they are the plan's samples was not checked (leave out --without-data for that)");
  }

  private void prove(Header header, Path conf) {
    Settings settings = Settings.load(Optional.of(conf), Map.of("train.steps", header.steps()));
    Optional<Path> absent =
        Stream.concat(settings.dataFiles().stream(), Stream.of(settings.modelPath()))
            .filter(path -> !Files.exists(path))
            .findFirst();
    if (absent.isPresent()) {
      String proven = prove(header, Optional.empty());
      throw Refusal.run(
          "%s, says the ledger alone; not proven that they are the plan's samples: %s is not there; bring it back, or be content with that and give --without-data"
              .formatted(proven, absent.get()));
    }
    try (Inputs inputs = Inputs.open(settings)) {
      requireSame("data", inputs.spec().dataSha256(), header.dataSha256());
      requireSame("weights", inputs.spec().weightsSha256(), header.weightsSha256());
      try (PlannedSteps steps = inputs.plannedSteps()) {
        out.println(prove(header, Optional.of(inputs.ledgerPlan(steps))));
      }
    }
  }

  private static void requireSame(String what, String found, String expected) {
    if (!found.equals(expected)) {
      throw Refusal.run(
          "ledger: not proven: the SHA-256 of the %s is %s (expected: %s, the run's), so the plan cannot be computed again; bring back what the run was given, or give --without-data"
              .formatted(what, found, expected));
    }
  }

  /** Prints the table; gives the last line, or refuses. */
  private String prove(Header header, Optional<LedgerProof.Plan> plan) {
    LedgerProof proof = new LedgerProof(header, plan);
    Optional<String> damage = Optional.empty();
    try {
      ledger.read(proof::add);
    } catch (Refusal e) {
      damage = Optional.of(e.getMessage());
    }
    Verdict verdict = proof.verdict();
    print(verdict, header);
    Optional<String> fault = damage.or(verdict::fault);
    if (fault.isPresent()) {
      throw Refusal.run("ledger: not proven: " + fault.get());
    }
    return proven(verdict, header) + history();
  }

  private void print(Verdict verdict, Header header) {
    long left = header.rows() - header.rowsPerEpoch();
    out.printf(
        "%s: an epoch uses %d of the data's %d samples%s%n",
        header.run(),
        header.rowsPerEpoch(),
        header.rows(),
        left > 0 ? "; the plan leaves out the other " + left : "");
    String row = "%7s %9s %12s %9s %9s%n";
    out.printf(row, "epoch", "steps", "counted", "missing", "doubled");
    for (Epoch epoch : verdict.epochs()) {
      out.printf(
          row,
          epoch.epoch(),
          epoch.steps(),
          epoch.counted(),
          epoch.whole() ? epoch.unused() : "-",
          epoch.doubled());
    }
  }

  private String history() {
    return ledger.history() == 0
        ? ""
        : "; the run went back to a checkpoint %d time%s, and what it computed again is the same"
            .formatted(ledger.history(), ledger.history() == 1 ? "" : "s");
  }

  private static String proven(Verdict verdict, Header header) {
    if (verdict.steps() == 0) {
      return "ledger: 0 of %d steps; nothing is committed yet".formatted(header.steps());
    }
    Epoch last = verdict.epochs().get(verdict.epochs().size() - 1);
    return "ledger: %s%d steps, %d samples, each counted exactly once%s%s"
        .formatted(
            verdict.steps() < header.steps() ? verdict.steps() + " of " : "",
            header.steps(),
            verdict.samples(),
            verdict.epochs().size() > 1 ? " in each epoch" : "",
            last.whole()
                ? ""
                : "; %d of epoch %d have not been used yet".formatted(last.unused(), last.epoch()));
  }
}
