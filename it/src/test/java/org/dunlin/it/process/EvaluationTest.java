package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.dunlin.conf.checkpoint.CheckpointExport;
import org.dunlin.conf.checkpoint.ExportRequest;
import org.dunlin.conf.checkpoint.ExportType;
import org.dunlin.conf.evaluate.Evaluate;
import org.dunlin.conf.evaluate.EvaluateRequest;
import org.dunlin.conf.launch.EvaluationProcess;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.ReportFile;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs that are measured while they train: the same bits, the same decisions, true figures. */
@Tag("process")
class EvaluationTest {
  private static final int ROWS = 100;
  private static final long STEPS_OF_AN_EPOCH = 25;

  /** Less than any weight can take up. */
  private static final double LEARNS_NOTHING = 1e-30;

  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;

  @Test
  void shouldTrainToTheSameBitsAndKeepTheBest() throws Exception {
    train(Golden.keys(folder.resolve("calm"), 10, 0));
    Map<String, Object> keys = measured("run", 10, 0);
    keys.put("checkpoint.keep-last", 1);
    train(keys);
    requireCalmBits();

    Map<Long, JsonNode> figures = figures("run");
    assertThat(figures).containsOnlyKeys(4L, 8L, 10L);
    long best = 4;
    for (long steps : figures.keySet()) {
      if (figure(figures, steps) > figure(figures, best)) {
        best = steps;
      }
    }
    try (var kept = Files.list(folder.resolve("run/checkpoints"))) {
      List<String> names = kept.map(path -> path.getFileName().toString()).toList();
      assertThat(names).contains(name(best), name(10));
      assertThat(names).hasSize(best == 10 ? 1 : 2);
    }
    assertThat(folder.resolve("run/.evaluation")).doesNotExist();
    assertThat(evaluated(folder.resolve("run/checkpoints").resolve(name(best)), keys))
        .isEqualTo(figure(figures, best));
    assertThat(Files.readString(folder.resolve("run/report.json")))
        .contains("\"best_steps\" : " + best);
  }

  @Test
  void shouldGoOnWithoutTheFigureThatThreeProcessesDieOf() throws Exception {
    train(Golden.keys(folder.resolve("calm"), 6, 0));
    Map<String, Object> keys = measured("run", 6, 0);
    CompletableFuture<Void> killing = signalEvaluations("KILL", 3);
    List<String> notes = new CopyOnWriteArrayList<>();
    assertThat(train(keys, notes))
        .isInstanceOfSatisfying(
            Outcome.Finished.class, finished -> assertThat(finished.steps()).isEqualTo(6));
    killing.get(Golden.LIMIT_SECONDS, TimeUnit.SECONDS);
    requireCalmBits();
    assertThat(figures("run")).containsOnlyKeys(6L);
    assertThat(notes)
        .filteredOn(note -> note.contains("the model after 4 steps is not measured"))
        .singleElement()
        .asString()
        .contains("its process ended with exit code 137", "in 3 attempts");
    assertThat(Files.readAllLines(folder.resolve("run/records-1.jsonl")))
        .filteredOn(line -> line.contains("\"evaluation\",\"steps\":4"))
        .singleElement()
        .asString()
        .doesNotContain("figure");
  }

  @Test
  @Tag("long") // a process is silent for ten minutes before it is taken to hang
  void shouldMeasureWithAnotherProcessWhereOneHangs() throws Exception {
    train(Golden.keys(folder.resolve("calm"), 6, 0));
    CompletableFuture<Void> stopping = signalEvaluations("STOP", 1);
    train(measured("run", 6, 0));
    stopping.get(Golden.LIMIT_SECONDS, TimeUnit.SECONDS);
    requireCalmBits();
    assertThat(figures("run")).containsOnlyKeys(4L, 6L);
    assertThat(evaluations()).isEmpty();
  }

  private void requireCalmBits() throws IOException {
    assertThat(
            Files.mismatch(
                folder.resolve("run/model/model.safetensors"),
                folder.resolve("calm/model/model.safetensors")))
        .isEqualTo(-1);
  }

  /** To the first so many processes that measure for this one, as soon as they are there. */
  private static CompletableFuture<Void> signalEvaluations(String signal, int processes) {
    return CompletableFuture.runAsync(
        () -> awaitEvaluations(signal, processes), Thread.ofPlatform().daemon()::start);
  }

  private static void awaitEvaluations(String signal, int processes) {
    Set<ProcessHandle> seen = new HashSet<>();
    long untilNs = System.nanoTime() + TimeUnit.SECONDS.toNanos(Golden.LIMIT_SECONDS);
    try {
      while (seen.size() < processes) {
        assertThat(System.nanoTime()).as("%s", seen).isLessThan(untilNs);
        for (ProcessHandle one : evaluations()) {
          if (seen.add(one)) {
            Trainer.signal(signal, List.of(one));
          }
        }
        Thread.sleep(10); // nothing tells of processes that are started
      }
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static List<ProcessHandle> evaluations() {
    return ProcessHandle.current().children().filter(EvaluationTest::measures).toList();
  }

  // What Java knows of a command line ends within a long class path.
  private static boolean measures(ProcessHandle process) {
    try {
      return Files.readString(Path.of("/proc", Long.toString(process.pid()), "cmdline"))
          .contains(EvaluationProcess.class.getName());
    } catch (IOException e) {
      return false; // it has ended
    }
  }

  // Nothing learns here, so no figure is better than the first; patience ends it after 12 steps.
  @Test
  @Tag("long") // ResumeTest has the same deaths
  void shouldStopAtTheSameStepWhateverHappens() throws Exception {
    Map<String, Object> keys = stopping("once", 0);
    assertThat(train(keys)).isInstanceOfSatisfying(Outcome.Finished.class, this::endsAtTwelve);
    assertThat(figures("once")).containsOnlyKeys(4L, 8L, 12L);

    Map<String, Object> killed = stopping("twice", 2);
    try (Trainer trainer = Trainer.start(folder.resolve("twice"), killed)) {
      trainer.awaitLine("evaluation after 4 steps");
      List<ProcessHandle> family = trainer.family();
      Trainer.signal("KILL", family);
      Trainer.awaitEnd(family);
    }
    Map<String, Object> resumed = stopping("twice", 0);
    resumed.put("run.resume", "newest");
    assertThat(train(resumed)).isInstanceOfSatisfying(Outcome.Finished.class, this::endsAtTwelve);
    Map<Long, JsonNode> first = figures("once");
    Map<Long, JsonNode> second = figures("twice");
    assertThat(second.keySet()).isEqualTo(first.keySet());
    first
        .keySet()
        .forEach(steps -> assertThat(figure(second, steps)).isEqualTo(figure(first, steps)));
    assertThat(
            Files.mismatch(
                folder.resolve("once/model/model.safetensors"),
                folder.resolve("twice/model/model.safetensors")))
        .isEqualTo(-1);
  }

  /** A model that learns nothing has the same loss in training and when it is measured. */
  @Test
  void shouldFindTheLossThatTrainingFindsOfTheSamePairs() throws Exception {
    Map<String, Object> keys = withPairs("still", STEPS_OF_AN_EPOCH);
    keys.put("optimizer.learning-rate", LEARNS_NOTHING);
    keys.put("model.hidden-dropout", 0);
    keys.put("model.attention-dropout", 0);
    train(keys);
    double sum = 0;
    double pairs = 0;
    for (String line : Files.readAllLines(folder.resolve("still/metrics.jsonl"))) {
      JsonNode json = JSON.readTree(line);
      sum += json.path("loss").asDouble() * json.path("pairs").asDouble();
      pairs += json.path("pairs").asDouble();
    }
    assertThat(figures("still").get(STEPS_OF_AN_EPOCH).path("loss").asDouble())
        .isCloseTo(sum / pairs, within(1e-12));
  }

  @Test
  void shouldKeepTheCheckpointOfTheLeastLoss() throws Exception {
    Map<String, Object> keys = withPairs("unified", 12);
    keys.put("eval.every-steps", 3);
    keys.put("model.unified", true);
    keys.put("loss.self-distillation", true);
    keys.put("optimizer.learning-rate", 0.02); // soon too far
    train(keys);
    Map<Long, JsonNode> figures = figures("unified");
    assertThat(figures).containsOnlyKeys(3L, 6L, 9L, 12L);
    Map<Long, Double> losses = new TreeMap<>();
    figures.forEach((steps, line) -> losses.put(steps, line.path("loss").asDouble()));
    long best = Collections.min(losses.entrySet(), Map.Entry.comparingByValue()).getKey();
    assertThat(losses.values()).doesNotHaveDuplicates().allSatisfy(l -> assertThat(l).isPositive());
    assertThat(Files.readString(folder.resolve("unified/report.json")))
        .contains("\"best_steps\" : " + best, "\"best_loss\" : " + losses.get(best));
  }

  private Map<String, Object> withPairs(String run, long steps) {
    Map<String, Object> keys = Golden.keys(folder.resolve(run), steps, 0);
    keys.put("eval.every-steps", steps);
    keys.put("eval.data", keys.get("data.files"));
    return keys;
  }

  @Test
  void shouldRefuseWhatCannotBeMeasuredBeforeItTrains() throws Exception {
    Map<String, Object> missing = measured("run", 10, 0);
    missing.put("eval.qrels", folder.resolve("nowhere.tsv"));
    assertThatThrownBy(() -> train(missing))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("nowhere.tsv: no such file");
    Map<String, Object> empty = measured("run", 10, 0);
    empty.put("eval.qrels", Files.writeString(folder.resolve("empty.tsv"), "q\td\tscore\n"));
    assertThatThrownBy(() -> train(empty))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("judges none of the");
    assertThat(folder.resolve("run")).doesNotExist();
  }

  private void endsAtTwelve(Outcome.Finished finished) {
    assertThat(finished.steps()).isEqualTo(12);
  }

  private Map<String, Object> stopping(String run, int workers) throws Exception {
    Map<String, Object> keys = measured(run, 40, workers);
    keys.put("eval.patience", 1);
    keys.put("optimizer.learning-rate", LEARNS_NOTHING);
    return keys;
  }

  // Of the training rows: a query is answered by its positives.
  private Map<String, Object> measured(String run, long steps, int workers) throws Exception {
    Map<String, Object> keys = Golden.keys(folder.resolve(run), steps, workers);
    List<String> corpus = new ArrayList<>();
    List<String> queries = new ArrayList<>();
    List<String> qrels = new ArrayList<>(List.of("query-id\tcorpus-id\tscore"));
    Path rows = (Path) ((List<?>) keys.get("data.files")).get(0);
    for (String line : Files.readAllLines(rows).subList(0, ROWS)) {
      JsonNode row = JSON.readTree(line);
      String id = "q" + queries.size();
      queries.add(JSON.createObjectNode().put("_id", id).set("text", row.path("query")).toString());
      for (JsonNode answer : row.path("pos")) {
        String document = "d" + corpus.size();
        corpus.add(JSON.createObjectNode().put("_id", document).set("text", answer).toString());
        qrels.add(id + "\t" + document + "\t1");
      }
    }
    keys.put("eval.every-steps", 4);
    keys.put("eval.corpus", Files.write(folder.resolve("corpus.jsonl"), corpus));
    keys.put("eval.queries", Files.write(folder.resolve("queries.jsonl"), queries));
    keys.put("eval.qrels", Files.write(folder.resolve("qrels.tsv"), qrels));
    return keys;
  }

  private static Outcome train(Map<String, Object> keys) {
    return train(keys, new CopyOnWriteArrayList<>());
  }

  private static Outcome train(Map<String, Object> keys, List<String> notes) {
    Watcher listener =
        new Watcher() {
          @Override
          public void accept(RunEvent event) {
            if (event instanceof RunEvent.Noted noted) {
              notes.add(noted.sentence());
            }
          }

          @Override
          public void close() {}
        };
    try (Job job = Job.open(Settings.load(Optional.empty(), keys));
        Watcher all =
            job.watching(Watcher.all(List.of(new ReportFile(job.runFolder()), listener)))) {
      return job.run(all, StopRequest.byHand());
    }
  }

  private static String name(long steps) {
    return "step-%06d".formatted(steps);
  }

  private static double figure(Map<Long, JsonNode> figures, long steps) {
    return figures.get(steps).path("ndcg@10").asDouble();
  }

  private Map<Long, JsonNode> figures(String run) throws Exception {
    Map<Long, JsonNode> figures = new TreeMap<>();
    for (String line : Files.readAllLines(folder.resolve(run).resolve("metrics.jsonl"))) {
      JsonNode json = JSON.readTree(line);
      if (json.has("evaluated_steps")) {
        figures.put(json.path("evaluated_steps").asLong(), json);
      }
    }
    return figures;
  }

  /** What {@code dunlin evaluate} says of what {@code dunlin export} makes of a checkpoint. */
  private double evaluated(Path checkpoint, Map<String, Object> keys) {
    Path model = folder.resolve("exported");
    PrintStream nowhere = new PrintStream(new ByteArrayOutputStream(), true);
    CheckpointExport.run(
        new ExportRequest(List.of(checkpoint), model, ExportType.FP32, Optional.empty()), nowhere);
    Settings settings = Settings.load(Optional.empty(), keys);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Evaluate.run(
        new EvaluateRequest(
            model, settings.evaluationFiles().orElseThrow(), settings.evaluationForm()),
        new PrintStream(out, true, StandardCharsets.UTF_8));
    return out.toString(StandardCharsets.UTF_8)
        .lines()
        .filter(line -> line.startsWith("ndcg@10 "))
        .mapToDouble(line -> Double.parseDouble(line.substring("ndcg@10 ".length())))
        .findFirst()
        .orElseThrow();
  }
}
