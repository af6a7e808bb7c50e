package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.LedgerCheck;
import org.dunlin.conf.launch.LedgerRequest;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.ledger.LedgerFile;
import org.dunlin.coordinator.ledger.LedgerReader;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.ledger.LedgerRecord.Header;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run's ledger proves what the run used: 30 steps of 16 samples, of which an epoch has 400. */
class LedgerTest {
  private static final long STEPS = 30;
  private static final long ENDLESS = 1_000_000;
  private static final String TABLE =
      """
      train: an epoch uses 400 of the data's 400 samples
        epoch     steps      counted   missing   doubled
            0        25          400         0         0
            1         5           80         -         0
      """;
  private static final String PROVEN =
      "ledger: 30 steps, 480 samples, each counted exactly once in each epoch; 320 of epoch 1 have not been used yet";

  /** Trained once, and copied by each test that does something to it. */
  @TempDir private static Path trained;

  @TempDir private Path folder;
  private Path run;
  private Path data;
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  @BeforeAll
  static void train() throws Exception {
    try (Job job = Job.open(Golden.settings(trained, STEPS, 0));
        Watcher watcher = job.watching()) {
      assertThat(job.runHere(2, watcher, StopRequest.byHand()))
          .isInstanceOf(Outcome.Finished.class);
    }
  }

  @BeforeEach
  void copyData() throws Exception {
    run = folder.resolve("run");
    data = folder.resolve("train.jsonl");
    Files.copy(Golden.settings(run, STEPS, 0).dataFiles().get(0), data);
  }

  @Test
  void shouldProveARunAndSayWhatDamageUndoes() throws Exception {
    copyRun();
    assertThat(check(false)).isEqualTo(TABLE + PROVEN + "\n");
    assertThat(check(true))
        .startsWith(TABLE + PROVEN + "; that they are the plan's samples was not checked");
    assertThat(samples(7)).hasLineCount(16).matches("([0-9]+\n){16}");
    assertThatThrownBy(() -> samples(30))
        .hasMessage("step 30: not in the ledger (expected: one of the 30 committed ones, from 0)");

    Path ledger = run.resolve("ledger-000001.bin");
    byte[] whole = Files.readAllBytes(ledger);
    byte[] flipped = whole.clone();
    flipped[whole.length / 2] ^= 4;
    Files.write(ledger, flipped);
    assertThatThrownBy(() -> check(false))
        .isInstanceOf(Refusal.class)
        .hasMessageMatching(
            "ledger: not proven: \\Q"
                + ledger
                + "\\E: byte [0-9]+: .* has the checksum [0-9a-f]{8} \\(expected: [0-9a-f]{8}\\).*");
    assertThat(out.toString(StandardCharsets.UTF_8)).contains("    0        ");

    Files.write(ledger, whole);
    Files.writeString(data, "\n", StandardOpenOption.APPEND);
    assertThatThrownBy(() -> check(false))
        .hasMessageStartingWith("ledger: not proven: the SHA-256 of the data is ");
    Files.delete(data);
    assertThatThrownBy(() -> check(false))
        .isInstanceOf(Refusal.class)
        .hasMessage(
            PROVEN
                + ", says the ledger alone; not proven that they are the plan's samples: "
                + data
                + " is not there; bring it back, or be content with that and give --without-data");
    assertThat(check(true)).startsWith(TABLE);
  }

  /** The records are whole, but say something else than the plan. */
  @Test
  void shouldNameTheStepAndTheSampleOfALedgerThatIsNotThePlans() throws Exception {
    copyRun();
    forge(9, 3, 399);
    assertThatThrownBy(() -> check(false))
        .isInstanceOf(Refusal.class)
        .hasMessageMatching(
            "ledger: not proven: step 9 used sample 399 at place 3 \\(expected: sample [0-9]+, by the plan\\)");
    assertThat(out.toString(StandardCharsets.UTF_8)).contains(" 400         1         1\n");
    assertThatThrownBy(() -> check(true))
        .hasMessageMatching("ledger: not proven: step [0-9]+ used sample 399 again in epoch 0");
  }

  private void copyRun() throws Exception {
    Files.createDirectories(run);
    Files.copy(trained.resolve("ledger-000001.bin"), run.resolve("ledger-000001.bin"));
    Settings settings = Settings.load(Optional.of(trained.resolve("run.conf")), Map.of());
    Files.writeString(run.resolve("run.conf"), settings.with(Map.of("data.files", data)).render());
  }

  private void forge(long step, int place, long sample) throws Exception {
    LedgerReader reader = LedgerReader.open(run);
    Header header = reader.header().orElseThrow();
    Path forged = Files.createDirectories(folder.resolve("forged"));
    try (LedgerFile file = LedgerFile.create(forged, header)) {
      reader.read(
          committed -> {
            long[] ids = committed.sampleIds().clone();
            if (committed.step() == step) {
              ids[place] = sample;
            }
            file.intend(committed.step(), committed.epoch(), committed.generation(), ids);
            file.commit(committed.step(), committed.generation(), committed.checksum());
          });
    }
    Files.copy(
        forged.resolve("ledger-000001.bin"),
        run.resolve("ledger-000001.bin"),
        StandardCopyOption.REPLACE_EXISTING);
  }

  @Test
  void shouldSayWhatIsNoRunAndWhatHasNotBegun() throws Exception {
    Files.createDirectories(run);
    assertThatThrownBy(() -> check(false))
        .isInstanceOfSatisfying(
            Refusal.class, refusal -> assertThat(refusal.kind()).isEqualTo(Refusal.Kind.USAGE))
        .hasMessage(run + ": holds no run.conf (expected: a run's folder)");
    Files.writeString(run.resolve("run.conf"), Golden.settings(run, STEPS, 0).render());
    assertThatThrownBy(() -> check(false))
        .hasMessage(
            run + ": holds no ledger-000001.bin (expected: the folder of a run that has begun)");
    Files.createFile(run.resolve("ledger-000001.bin")); // as after a kill in its first moment
    assertThat(check(false)).isEqualTo("ledger: 0 steps; nothing is committed yet\n");
  }

  @Test
  void shouldTakeUpWhereATermEnded() throws Exception {
    copyRun();
    LedgerReader reader = LedgerReader.open(run);
    Header first = reader.header().orElseThrow();
    Header second =
        new Header(
            first.run(),
            new Term(2),
            first.steps(),
            first.rows(),
            first.rowsPerEpoch(),
            first.dataSha256(),
            first.weightsSha256());
    try (LedgerFile file = LedgerFile.create(run, second)) {
      reader.read(
          step -> {
            if (step.step() == STEPS - 1) { // committed by the first term, which nobody knew
              file.intend(step.step(), step.epoch(), new Generation(1), step.sampleIds());
              file.commit(step.step(), new Generation(1), step.checksum());
            }
          });
    }
    assertThat(check(false)).isEqualTo(TABLE + PROVEN + "\n");
  }

  @Test
  @Tag("process")
  void shouldProveARunThatGoesOnAndOneThatIsKilled() throws Exception {
    try (Trainer trainer = Trainer.start(run, ENDLESS, 1)) {
      trainer.awaitLine("step 1/");
      prove(" of 1000000 steps, [0-9]+ samples, each counted exactly once.*");
      List<ProcessHandle> family = trainer.family();
      Trainer.signal("KILL", family);
      Trainer.awaitEnd(family);
    }
    prove(" of 1000000 steps, [0-9]+ samples, each counted exactly once.*");
  }

  /** A limit of a file's size does what a full disk does: it cuts a record off. */
  @Test
  @Tag("process")
  void shouldFailEveryCommitOnceTheDiskIsFullAndKeepAllBefore() throws Exception {
    Files.createDirectories(run);
    Process writer =
        new ProcessBuilder(
                "prlimit",
                "--fsize=20001",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:-UsePerfData", // its file is larger
                "-cp",
                System.getProperty("java.class.path"),
                LedgerWriter.class.getName(),
                run.toString())
            .redirectErrorStream(true)
            .start();
    List<String> said = writer.inputReader().lines().toList();
    Path ledger = run.resolve("ledger-000001.bin");
    assertThat(said).hasSize(4);
    assertThat(said.subList(0, 3))
        .allMatch(line -> line.startsWith(ledger + ": cannot be written: "));
    assertThat(Files.size(ledger)).isEqualTo(20001);
    List<Long> steps = new ArrayList<>();
    LedgerReader.open(run).read(step -> steps.add(step.step()));
    assertThat(steps).hasSize(Integer.parseInt(said.get(3))).hasSizeGreaterThan(100);
  }

  private void prove(String last) throws Exception {
    try (Trainer ledger = Trainer.ledger(run)) {
      assertThat(ledger.output())
          .anySatisfy(line -> assertThat(line).matches("ledger: [1-9][0-9]*" + last));
      assertThat(ledger.awaitExit()).isZero();
    }
  }

  private String check(boolean withoutData) {
    return check(new LedgerRequest(run, withoutData, OptionalLong.empty()));
  }

  private String samples(long step) {
    return check(new LedgerRequest(run, false, OptionalLong.of(step)));
  }

  private String check(LedgerRequest request) {
    out.reset();
    assertThat(LedgerCheck.run(request, new PrintStream(out, true, StandardCharsets.UTF_8)))
        .isZero();
    return out.toString(StandardCharsets.UTF_8);
  }
}
