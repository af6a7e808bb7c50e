package org.dunlin.conf.report;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dunlin.coordinator.report.RunEvent;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path run;

  @Test
  void shouldLogEachStepOnALineOfItsOwnAtOnce() throws Exception {
    try (MetricsLog log = new MetricsLog(run, false)) {
      log.accept(step(0, 0.5, 2.5));
      log.accept(step(1, 0.5, Double.NaN));
      List<String> lines = Files.readAllLines(run.resolve("metrics.jsonl"));
      assertThat(lines).hasSize(2);
      JsonNode first = JSON.readTree(lines.get(0));
      assertThat(first.path("loss").asDouble()).isEqualTo(2.5);
      assertThat(first.path("pairs_per_second").asDouble()).isEqualTo(16);
      assertThat(JSON.readTree(lines.get(1)).path("loss").asText()).isEqualTo("NaN");
    }
  }

  @Test
  void shouldListProcessesUntilTheRunIsOver() throws Exception {
    Path file = run.resolve("processes.json");
    try (ProcessesFile processes = new ProcessesFile(run)) {
      processes.accept(
          new RunEvent.Processes(List.of(new RunEvent.Member("worker", "worker-1", 2, 4711))));
      JsonNode member = JSON.readTree(file.toFile()).path("processes").path(0);
      assertThat(member.path("role").asText()).isEqualTo("worker");
      assertThat(member.path("incarnation").asInt()).isEqualTo(2);
      assertThat(member.path("pid").asInt()).isEqualTo(4711);
    }
    assertThat(JSON.readTree(file.toFile()).path("processes")).isEmpty();
  }

  @Test
  void shouldReportTheRunAndWhatOthersMeasured() throws Exception {
    try (ReportFile report = new ReportFile(run)) {
      report.accept(new RunEvent.Started(2, 3));
      report.accept(step(0, 0.5, 2));
      report.accept(step(1, 1.5, 1));
      report.accept(new RunEvent.Saved(2, "model", "abc"));
      report.accept(new RunEvent.Finished(2, false));
      report.set("ndcg10_after", 0.6);
    }
    JsonNode report = JSON.readTree(run.resolve("report.json").toFile());
    assertThat(report.path("outcome").asText()).isEqualTo("finished");
    assertThat(report.path("workers").asInt()).isEqualTo(3);
    assertThat(report.path("steps").asInt()).isEqualTo(2);
    assertThat(report.path("seconds").asDouble()).isEqualTo(2);
    assertThat(report.path("pairs_per_second").asDouble()).isEqualTo(8);
    assertThat(report.path("model_sha256").asText()).isEqualTo("abc");
    assertThat(report.path("ndcg10_after").asDouble()).isEqualTo(0.6);
  }

  @Test
  void shouldPrintTheFirstStepTheLastAndAboutOneASecondBetween() {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    Watcher lines = Progress.lines(new PrintStream(printed, true, UTF_8), 1);
    lines.accept(new RunEvent.Started(100, 1));
    for (int s = 0; s < 100; s++) {
      lines.accept(step(s, 0.25, 1));
    }
    lines.close();
    assertThat(printed.toString(UTF_8).lines().filter(line -> line.startsWith("step ")))
        .hasSizeBetween(20, 30)
        .satisfiesOnlyOnce(line -> assertThat(line).startsWith("step 1/100"))
        .satisfiesOnlyOnce(line -> assertThat(line).startsWith("step 100/100"));
  }

  @Test
  void shouldShowAndCountWhatIsNotFinite() throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    List<RunEvent.StepCommitted> steps =
        List.of(
            committed(0, 2, true, 65536, 0),
            committed(1, 2, false, 32768, 0),
            committed(2, Double.NaN, false, 16384, 1),
            committed(3, Double.POSITIVE_INFINITY, false, 8192, 2));
    try (MetricsLog log = new MetricsLog(run, false);
        ReportFile report = new ReportFile(run);
        Watcher all =
            Watcher.all(
                List.of(log, report, Progress.lines(new PrintStream(printed, true, UTF_8), 1)))) {
      all.accept(new RunEvent.Started(4, 1));
      steps.forEach(all);
    }
    assertThat(printed.toString(UTF_8))
        .contains("step 1/4: loss 2.0000, ")
        .contains("step 3/4: loss NaN, 1 not finite, 1 overflows skipped, ")
        .contains("step 4/4: loss Infinity, 2 not finite, 1 overflows skipped, ");
    List<String> lines = Files.readAllLines(run.resolve("metrics.jsonl"));
    assertThat(lines.get(1)).contains("\"loss_scale\":32768.0,\"not_finite_in_a_row\":0");
    assertThat(lines.get(2)).contains("\"loss\":\"NaN\"").contains("_in_a_row\":1");
    assertThat(lines.get(3)).contains("\"loss\":\"Infinity\"");
    JsonNode report = JSON.readTree(run.resolve("report.json").toFile());
    assertThat(report.path("not_finite_steps").asInt()).isEqualTo(2);
    assertThat(report.path("overflows_skipped").asInt()).isEqualTo(1);
  }

  private static RunEvent.StepCommitted committed(
      long step, double loss, boolean applied, double scale, long notFinite) {
    return new RunEvent.StepCommitted(
        step, 0, loss, 1, 1e-4, applied, scale, notFinite, 8, 900, 1000, 1);
  }

  private static RunEvent.StepCommitted step(long step, double seconds, double loss) {
    return new RunEvent.StepCommitted(step, 0, loss, 1, 1e-4, true, 1, 0, 8, 900, 1000, seconds);
  }
}
