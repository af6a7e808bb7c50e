package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.dunlin.coordinator.actor.Run;
import org.dunlin.data.checkpoint.CheckpointFolders;
import org.dunlin.protocol.Refusal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The processes that measure a checkpoint stop, die and start again. */
class CheckpointEvaluatorTest {
  private static final long LIMIT_SECONDS = 120;

  // More than a JVM takes to its first line on a busy machine.
  private static final Duration MOST_SILENT = Duration.ofSeconds(5);
  private static final long MIB = 1 << 20;

  @TempDir private Path folder;

  @Test
  void shouldStartOneAgainThatStandsStillOrDies() throws Exception {
    Run.Evaluation found = measure(MOST_SILENT, "stand", "die", "find");
    assertThat(found.figures()).containsExactly(Map.entry("ndcg@10", 0.5));
    assertThat(attempts()).hasSize(3).noneMatch(CheckpointEvaluatorTest::isAlive);
  }

  @Test
  void shouldTakeTheFigureOfOneThatStandsStillAtItsEnd() throws Exception {
    assertThat(measure(MOST_SILENT, "find-and-stand").score()).isEqualTo(0.5);
    assertThat(attempts()).hasSize(1).noneMatch(CheckpointEvaluatorTest::isAlive);
  }

  @Test
  void shouldLeaveUnmeasuredWhatThreeDoNotFinish() throws Exception {
    ExecutionException broke =
        assertThrows(
            ExecutionException.class,
            () -> measure(Duration.ofSeconds(1), "stand", "stand", "stand", "find"));
    assertThat(broke)
        .cause()
        .isInstanceOf(Refusal.class)
        .hasMessage(
            "its process was silent for 1 seconds; its log is %s, in 3 attempts"
                .formatted(RunFolder.log(folder, "evaluation")));
    assertThat(attempts()).noneMatch(CheckpointEvaluatorTest::isAlive);
  }

  @Test
  void shouldTryNothingAgainThatWouldComeToTheSame() throws Exception {
    ExecutionException broke =
        assertThrows(ExecutionException.class, () -> measure(MOST_SILENT, "refuse", "find"));
    assertThat(broke).cause().isInstanceOf(Refusal.class).hasMessage("there are no queries");
    assertThat(attempts()).hasSize(1);
  }

  private Run.Evaluation measure(Duration mostSilent, String... lives) throws Exception {
    Files.createDirectories(RunFolder.log(folder, "evaluation").getParent());
    Files.write(folder.resolve("lives"), List.of(lives));
    try (CheckpointEvaluator evaluator =
        new CheckpointEvaluator(
            ActorRun.settings(folder, Map.of()),
            folder,
            CheckpointFolders.of(folder.resolve("checkpoints"), Optional.empty()),
            new CheckpointEvaluator.Needs(64 * MIB, 64 * MIB, Optional.empty()),
            Actor.class,
            mostSilent)) {
      return evaluator.measure(4).toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
    }
  }

  private List<String> attempts() throws IOException {
    Path pids = folder.resolve("pids");
    return Files.exists(pids) ? Files.readAllLines(pids) : List.of();
  }

  private static boolean isAlive(String pid) {
    return ProcessHandle.of(Long.parseLong(pid)).filter(ProcessHandle::isAlive).isPresent();
  }

  /** Says and does what is written for its life, the first that nobody has lived yet. */
  public static final class Actor {
    private Actor() {}

    /** As that of {@link EvaluationProcess}. */
    public static void main(String[] arguments) throws Exception {
      Path folder = Path.of(arguments[0]);
      String pid = Long.toString(ProcessHandle.current().pid());
      Path pids = folder.resolve("pids");
      Files.write(pids, List.of(pid), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      String life =
          Files.readAllLines(folder.resolve("lives")).get(Files.readAllLines(pids).size() - 1);
      System.out.println("embedded 1");
      if (life.startsWith("find")) {
        System.out.println("figures {\"ndcg@10\": 0.5}");
      }
      if (life.equals("refuse")) {
        System.out.println("refused there are no queries");
      }
      if (life.endsWith("stand")) {
        new ProcessBuilder("kill", "-STOP", pid).start().waitFor();
      }
      System.exit(life.equals("die") ? EvaluationProcess.FAILED : 0);
    }
  }
}
