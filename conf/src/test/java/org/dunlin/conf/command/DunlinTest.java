package org.dunlin.conf.command;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;
import org.dunlin.conf.checkpoint.ExportRequest;
import org.dunlin.conf.checkpoint.ExportType;
import org.dunlin.conf.command.Actions.Task;
import org.dunlin.conf.embed.EmbedRequest;
import org.dunlin.conf.embed.Head;
import org.dunlin.conf.embed.ScoreRequest;
import org.dunlin.conf.evaluate.EvaluateRequest;
import org.dunlin.conf.evaluate.RetrievalTest;
import org.dunlin.conf.launch.JoinRequest;
import org.dunlin.conf.launch.LedgerRequest;
import org.dunlin.conf.settings.Flags;
import org.dunlin.conf.settings.Settings;
import org.dunlin.data.retrieval.RetrievalFiles;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.dunlin.protocol.run.TextTemplate;
import org.dunlin.worker.evaluate.PairScores.Mode;
import org.dunlin.worker.evaluate.PairScores.Weights;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is typed reaches the action as settings, and every ending has its code and its sentence. */
class DunlinTest {
  private static final String[] GIVEN = {"--model", "m", "--data", "d"};

  @TempDir Path folder;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private final List<Object> received = new ArrayList<>();

  private Actions.Train train =
      settings -> {
        received.add(settings);
        return 0;
      };

  @Test
  void shouldLetFlagsWinOverTheFile() throws IOException {
    Path file = Files.writeString(folder.resolve("my.conf"), "workers = 3, run.seed = 1");

    int exitCode =
        run("train", file.toString(), "--model=m", "--data=a", "--data=b", "--seed", "-7");

    assertThat(exitCode).isZero();
    assertThat(settings().workers()).isEqualTo(3);
    assertThat(settings().seed()).isEqualTo(-7);
    assertThat(settings().dataFiles())
        .containsExactly(Path.of("a").toAbsolutePath(), Path.of("b").toAbsolutePath());
  }

  @Test
  void shouldCarryEveryFlagIntoTheSettings() {
    run(
        given(
            "train",
            "--output",
            "o",
            "--overwrite",
            "--steps",
            "9",
            "--epochs",
            "0.5",
            "--batch-size",
            "32",
            "--learning-rate",
            "1e-4",
            "--workers",
            "2",
            "--set",
            "log.every-steps=5",
            "--set",
            "batch.sort-window=7"));

    Settings settings = settings();
    assertThat(settings.runFolder()).isEqualTo(Path.of("o").toAbsolutePath());
    assertThat(settings.overwrite()).isTrue();
    assertThat(settings.steps()).isEqualTo(9);
    assertThat(settings.epochs()).isEqualTo(0.5);
    assertThat(batch(settings).pairs()).isEqualTo(32);
    assertThat(settings.render()).contains("optimizer.learning-rate = 1.0E-4");
    assertThat(settings.workers()).isEqualTo(2);
    assertThat(settings.logEverySteps()).isEqualTo(5);
    assertThat(batch(settings).sortWindowBatches()).isEqualTo(7);
  }

  @Test
  void shouldTakeAListFromSet() {
    run("train", "--model=m", "--set", "data.files=[\"a\", \"b c\"]");

    assertThat(settings().dataFiles())
        .containsExactly(Path.of("a").toAbsolutePath(), Path.of("b c").toAbsolutePath());
  }

  @Test
  void shouldGiveTheQuickstartItsRecipeAndLetFlagsWin() {
    run("quickstart", "--task", "reverse-dictionary", "--set", "batch.size=16");
    run("quickstart", "--steps", "3");

    assertThat(received).element(0).isEqualTo(Task.REVERSE_DICTIONARY);
    Settings first = (Settings) received.get(1);
    assertThat(first.steps()).isEqualTo(200);
    assertThat(first.runFolder().getFileName().toString()).startsWith("quickstart-");
    assertThat(batch(first).pairs()).isEqualTo(16);
    assertThat(batch(first).queryMaxTokens()).isEqualTo(128);
    assertThat(received).element(2).isEqualTo(Task.CATEGORY);
    assertThat(((Settings) received.get(3)).steps()).isEqualTo(3);
  }

  @Test
  void shouldEmbedDenselyUnlessOtherHeadsAreAskedFor() {
    run("embed", "m");
    run("embed", "m", "--heads", "sparse,colbert", "--max-tokens", "512");

    assertThat(received)
        .containsExactly(
            new EmbedRequest(Path.of("m"), Set.of(Head.DENSE), OptionalInt.empty()),
            new EmbedRequest(Path.of("m"), Set.of(Head.SPARSE, Head.COLBERT), OptionalInt.of(512)));
  }

  @Test
  void shouldCarryEveryFlagOfScoring() {
    run("score", "--model", "m");
    run(
        ("score --model m p.jsonl --mode sparse+dense --weights 0.4,0.2,0.4 --query-max-tokens 64"
                + " --max-tokens 256 --pads-in-max-sim --sigmoid")
            .split(" "));

    assertThat(received)
        .containsExactly(
            new ScoreRequest(
                Path.of("m"),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                false,
                false,
                OptionalInt.empty(),
                OptionalInt.empty()),
            new ScoreRequest(
                Path.of("m"),
                Optional.of(Path.of("p.jsonl")),
                Optional.of(Mode.SPARSE_DENSE),
                Optional.of(new Weights(0.4, 0.2, 0.4)),
                true,
                true,
                OptionalInt.of(64),
                OptionalInt.of(256)));
  }

  @Test
  void shouldCarryEveryFlagOfTheLedger() {
    run("ledger", "my-run");
    run("ledger", "my-run", "--without-data");
    run("ledger", "my-run", "--step", "7");

    Path run = Path.of("my-run");
    assertThat(received)
        .containsExactly(
            new LedgerRequest(run, false, OptionalLong.empty()),
            new LedgerRequest(run, true, OptionalLong.empty()),
            new LedgerRequest(run, false, OptionalLong.of(7)));
    assertThat(run("ledger", "my-run", "--step", "-1")).isEqualTo(2);
    assertThat(err).hasToString("--step: -1 (expected: >= 0)\n");
  }

  @Test
  void shouldCarryEveryFlagOfEvaluate() {
    String files = "--corpus c.jsonl --queries q.jsonl --qrels r.tsv";
    run(("evaluate m " + files).split(" "));
    run(
        ("evaluate m "
                + files
                + " --query-max-tokens 64 --passage-max-tokens 256 --query-instruction find:")
            .split(" "));

    RetrievalFiles test =
        new RetrievalFiles(Path.of("c.jsonl"), Path.of("q.jsonl"), Path.of("r.tsv"));
    assertThat(received)
        .containsExactly(
            new EvaluateRequest(Path.of("m"), test, form("", Integer.MAX_VALUE, Integer.MAX_VALUE)),
            new EvaluateRequest(Path.of("m"), test, form("find:", 64, 256)));
    assertThat(run(("evaluate m " + files + " --query-max-tokens 2").split(" "))).isEqualTo(2);
    assertThat(err).hasToString("--query-max-tokens: 2 (expected: at least 3)\n");
  }

  private static RetrievalTest.Form form(String instruction, int queryTokens, int passageTokens) {
    return new RetrievalTest.Form(
        new DataSpec.Texts(instruction, TextTemplate.JOINED, "", TextTemplate.JOINED),
        queryTokens,
        passageTokens);
  }

  @Test
  void shouldCarryEveryFlagOfVerifyAndExport() {
    run("verify", "my-run");
    run("verify", "jrt:///java.base");
    run("export", "my-run", "--to", "model");
    run("export", "a", "b", "--to", "model", "--dtype", "bf16", "--model", "source");

    assertThat(received)
        .containsExactly(
            Path.of("my-run"),
            Path.of(URI.create("jrt:///java.base")),
            new ExportRequest(
                List.of(Path.of("my-run")), Path.of("model"), ExportType.FP32, Optional.empty()),
            new ExportRequest(
                List.of(Path.of("a"), Path.of("b")),
                Path.of("model"),
                ExportType.BF16,
                Optional.of(Path.of("source"))));
  }

  @Test
  void shouldCarryEveryFlagOfAWorker() {
    run("worker", "--join", "10.0.0.5");
    run(
        "worker --join node:7000 --host 10.0.0.6 --name b --threads 3 --devices 0,1 --wait 30s --copies d --trace t.json"
            .split(" "));
    run("worker", "--join", "10.0.0.5", "--copies", "none");

    assertThat(received)
        .containsExactly(
            new JoinRequest(
                new Endpoint("10.0.0.5", 7355),
                Optional.empty(),
                Optional.empty(),
                OptionalInt.empty(),
                List.of(),
                Duration.ofMinutes(5),
                Optional.of(Path.of(System.getProperty("user.home"), ".dunlin", "copies")),
                Optional.empty()),
            new JoinRequest(
                new Endpoint("node", 7000),
                Optional.of("10.0.0.6"),
                Optional.of("b"),
                OptionalInt.of(3),
                List.of(0, 1),
                Duration.ofSeconds(30),
                Optional.of(Path.of("d")),
                Optional.of(Path.of("t.json"))),
            new JoinRequest(
                new Endpoint("10.0.0.5", 7355),
                Optional.empty(),
                Optional.empty(),
                OptionalInt.empty(),
                List.of(),
                Duration.ofMinutes(5),
                Optional.empty(),
                Optional.empty()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--join node:0",
        "--join node:65536",
        "--join a:b:c",
        "--join node --name two#words",
        "--join node --threads 0",
        "--join node --wait soon"
      })
  void shouldRefuseAWorkersWrongValues(String arguments) {
    assertThat(run(("worker " + arguments).split(" "))).isEqualTo(2);
    assertThat(err.toString()).contains("(expected: ").hasLineCount(1);
    assertThat(received).isEmpty();
  }

  @Test
  void shouldAskWhichRunIsToGoOn() {
    assertThat(run("train", "--resume")).isEqualTo(2);
    assertThat(err.toString()).contains("--resume: no run is named", "--output FOLDER");
  }

  @Test
  void shouldGoOnWithTheSettingsThatTheRunHad() throws Exception {
    Files.writeString(
        folder.resolve("run.conf"), "model.path = m, data.files = d, batch.size = 12");

    run("train", "--resume", "20", "--output", folder.toString(), "--workers", "3");

    assertThat(settings().resume()).contains(OptionalLong.of(20));
    assertThat(batch(settings()).pairs()).isEqualTo(12);
    assertThat(settings().workers()).isEqualTo(3);
  }

  @Test
  void shouldCarryTheCoordinatorsFlagsIntoTheSettings() {
    run(given("coordinator", "--workers", "2", "--host", "10.0.0.5", "--port", "0"));

    assertThat(settings().workers()).isEqualTo(2);
    assertThat(settings().clusterHost()).contains("10.0.0.5");
    assertThat(settings().clusterPort()).isZero();
  }

  @Test
  void shouldStandByForTheRunInAFolderWithItsSettings() throws Exception {
    Files.writeString(folder.resolve("run.conf"), "model.path = m, data.files = [d], run.seed = 8");

    run("coordinator", "--standby", "--output", folder.toString());

    assertThat(received.removeFirst()).isEqualTo("stands by");
    assertThat(settings().resume()).contains(OptionalLong.empty());
    assertThat(settings().seed()).isEqualTo(8);
    assertThat(run("coordinator", "--standby")).isEqualTo(2);
    assertThat(err.toString()).contains("--standby: no run is named", "--output FOLDER");
  }

  @Test
  void shouldListenWhereWorkersLookByDefault() {
    run(given("coordinator"));

    assertThat(settings().clusterHost()).isEmpty();
    assertThat(settings().clusterPort()).isEqualTo(7355);
    assertThat(settings().allowDifferentKernels()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"1,2", "1,-1,1", "1,NaN,1"})
  void shouldRefuseOtherWeightsThanThree(String weights) {
    assertThat(run("score", "--model", "m", "--weights", weights)).isEqualTo(2);
    assertThat(err.toString()).startsWith("--weights: ").contains("expected: ").hasLineCount(1);
    assertThat(received).isEmpty();
  }

  @Test
  void shouldEndWithTwoAndOneSentenceWhereAKeyOrValueIsWrong() {
    assertThat(run(given("train", "--batch-size", "many"))).isEqualTo(2);
    assertThat(err)
        .hasToString("batch.size: \"many\" (expected: a whole number, >= 1), from --batch-size\n");
    assertThat(received).isEmpty();
  }

  @Test
  void shouldNameTheNearestKeyToAWrongSet() {
    assertThat(run(given("train", "--set", "batch.sise=3"))).isEqualTo(2);
    assertThat(err)
        .hasToString("batch.sise: no such key (did you mean batch.size?), from --set batch.sise\n");
  }

  @Test
  void shouldSayWhichFlagIsMissing() {
    assertThat(run("train")).isEqualTo(2);
    assertThat(err.toString()).contains("--model FOLDER").hasLineCount(1);
    assertThat(received).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "train --batchsize 3",
        "trian",
        "embed",
        "embed --heads vectors m",
        "score pairs.jsonl",
        "evaluate m --corpus c.jsonl --queries q.jsonl",
        "ledger",
        "ledger my-run --step last",
        "verify",
        "verify nowhere://a/b",
        "export my-run",
        "export --to model",
        "export my-run --to model --dtype int8",
        "score --model m --mode all",
        "train a.conf b.conf",
        "train --steps",
        "train --set batch.size",
        "quickstart --task nonsense"
      })
  void shouldEndWithTwoAndAHintWhereTheArgumentsAreWrong(String arguments) {
    assertThat(run(arguments.split(" "))).isEqualTo(2);
    assertThat(err.toString()).contains("--help'.").doesNotContain("\tat ");
    assertThat(err.toString().lines()).hasSizeBetween(2, 3);
    assertThat(out.toString()).isEmpty();
  }

  @Test
  void shouldTellARefusalInItsOwnWordsWithItsOwnCode() {
    train =
        settings -> {
          throw Refusal.run("pairs.jsonl:3: no pos (expected: a list)", new IOException("cause"));
        };

    assertThat(run(given("train"))).isEqualTo(1);
    assertThat(err).hasToString("pairs.jsonl:3: no pos (expected: a list)\n");
  }

  @Test
  void shouldTellADefectInOneSentence() {
    train =
        settings -> {
          throw new IllegalStateException("slot 3\nis not there");
        };

    assertThat(run(given("train"))).isEqualTo(1);
    assertThat(err.toString())
        .startsWith("Dunlin failed unexpectedly: ")
        .contains("IllegalStateException: slot 3 is not there")
        .hasLineCount(1);
  }

  @Test
  void shouldTellAnErrorOfTheMachineToo() {
    train =
        settings -> {
          throw new OutOfMemoryError("Java heap space");
        };

    assertThat(run(given("train"))).isEqualTo(1);
    assertThat(err.toString()).contains("OutOfMemoryError: Java heap space").hasLineCount(1);
  }

  @Test
  void shouldHandOnTheActionsExitCode() {
    train = settings -> 130;

    assertThat(run(given("train"))).isEqualTo(130);
  }

  @Test
  void shouldExplainItselfWithoutArguments() {
    assertThat(run()).isEqualTo(2);
    assertThat(err.toString())
        .contains(
            "quickstart",
            "train",
            "coordinator",
            "worker",
            "embed",
            "score",
            "evaluate",
            "ledger",
            "verify",
            "export",
            "config",
            "130");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "train",
        "coordinator",
        "worker",
        "quickstart",
        "embed",
        "score",
        "evaluate",
        "ledger",
        "config"
      })
  void shouldTeachEveryCommandWithAnExample(String command) {
    assertThat(run(command, "--help")).isZero();
    assertThat(out.toString()).contains("Example:", "dunlin " + command, "--version");
  }

  @Test
  void shouldExplainEveryFlagWithTheReferencesDefault() {
    run("train", "--help");

    String help = out.toString().replaceAll("\\s+", " ");
    Set<String> ofTrain = new HashSet<>(Flags.KEYS.keySet());
    ofTrain.removeAll(Set.of(Flags.HOST, Flags.PORT));
    assertThat(help).contains(ofTrain).contains("--set", "CONF");
    assertThat(help)
        .contains(
            "(default: 64)", "(default: 42)", "(default: 2e-5)", "(default: 1.0)", "(default: 0)");
  }

  @Test
  void shouldTellItsVersionEverywhere() {
    for (String command : List.of("", "train", "quickstart", "embed", "score", "config")) {
      out.getBuffer().setLength(0);
      run(Stream.of(command, "--version").filter(word -> !word.isEmpty()).toArray(String[]::new));
      assertThat(out.toString()).as(command).matches("(?s)Dunlin \\d+\\.\\d+\\.\\d+.*\nJava .*");
    }
  }

  @Test
  void shouldPrintTheReferenceFile() {
    assertThat(run("config")).isZero();
    assertThat(out).hasToString(Settings.reference());
  }

  private Settings settings() {
    assertThat(err.toString()).isEmpty();
    assertThat(received).hasSize(1);
    return (Settings) received.get(0);
  }

  private static BatchSpec batch(Settings settings) {
    return settings.batch(
        new EncoderSpec(Family.BERT, 100, 512, 2, 8, 1, 2, 16, 1e-12, 0, 0.1, 0.1));
  }

  private static String[] given(String command, String... more) {
    return Stream.of(Stream.of(command), Arrays.stream(GIVEN), Arrays.stream(more))
        .flatMap(words -> words)
        .toArray(String[]::new);
  }

  private int run(String... arguments) {
    Actions actions =
        new Actions(
            settings -> train.run(settings),
            settings -> train.run(settings),
            settings -> {
              received.add("stands by");
              return train.run(settings);
            },
            request -> {
              received.add(request);
              return 0;
            },
            (task, settings) -> {
              received.addAll(List.of(task, settings));
              return 0;
            },
            (request, texts, vectors) -> {
              received.add(request);
              return 0;
            },
            (request, texts, scores) -> {
              received.add(request);
              return 0;
            },
            (request, out) -> {
              received.add(request);
              return 0;
            },
            (folder, out) -> {
              received.add(folder);
              return 0;
            },
            (request, out) -> {
              received.add(request);
              return 0;
            },
            (request, out) -> {
              received.add(request);
              return 0;
            });
    return new Dunlin(actions)
        .run(new PrintWriter(out, true), new PrintWriter(err, true), arguments);
  }
}
