package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
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
import org.dunlin.it.live.LiveRun;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Workers are killed, stopped, drained and joined and coordinators killed while a run goes on, and
 * its weights are those of a calm run in one process; its ledger is proven. The long form, with any
 * number of events and any seed:
 *
 * <pre>
 * mvn verify -pl it -am -Dtest=ChaosTest -Dsurefire.failIfNoSpecifiedTests=false \
 *     -Dgroups=long -DexcludedGroups= -Dtest.limit="3 h" -Dfork.limitSeconds=0 \
 *     -Ddunlin.chaos.events=200 -Ddunlin.chaos.seed=7
 * </pre>
 */
class ChaosTest {
  private static final int WORKERS = 3;
  private static final int EVENTS = 12;
  private static final int MANY_EVENTS = 200;
  private static final long SEED = 1;
  private static final long ENDLESS = 1_000_000;

  @TempDir private Path folder;

  @Test
  void shouldEndWithTheWeightsOfACalmRunWhateverBefallsItsWorkers() throws Exception {
    requireCalmWeights(EVENTS, SEED);
  }

  @Test
  @Tag("long")
  void shouldEndWithThemAfterManyEvents() throws Exception {
    requireCalmWeights(
        Integer.getInteger("dunlin.chaos.events", MANY_EVENTS),
        Long.getLong("dunlin.chaos.seed", SEED));
  }

  private void requireCalmWeights(int events, long seed) throws Exception {
    Path run = folder.resolve("run");
    Outcome.EndedEarly end;
    try (LiveRun live = LiveRun.start(settings(run, ENDLESS, WORKERS), Chaos.LIMIT_SECONDS);
        Chaos chaos = new Chaos(live, WORKERS, seed)) {
      try {
        chaos.happen(events);
        chaos.heal();
        end = (Outcome.EndedEarly) live.stop();
      } catch (Exception | AssertionError e) {
        throw new AssertionError(
            "seed %d%n%s%n%s%n%s".formatted(seed, chaos, live.said(), chaos.stacks()), e);
      }
      System.out.printf("seed %d, %d steps%n%s%n", seed, end.steps(), chaos);
    }
    assertThat(ledger(run)).contains("each counted exactly once");
    Settings calm = settings(folder.resolve("calm"), end.steps(), 0);
    try (Job job = Job.open(calm);
        Watcher watcher = job.watching()) {
      Outcome.Finished calmEnd = (Outcome.Finished) job.run(watcher, StopRequest.byHand());
      assertThat(end.model().orElseThrow().sha256()).isEqualTo(calmEnd.model().sha256());
    }
  }

  /** A step's learning rate does not hang on how many steps there will be. */
  private static Settings settings(Path run, long steps, int workers) {
    Map<String, Object> keys = new HashMap<>(Golden.keys(run, steps, workers));
    keys.put("optimizer.schedule", "constant");
    keys.put("optimizer.warmup-ratio", 0);
    keys.put("compute-threads", 1);
    keys.put("step.lease-ms", 2000);
    keys.put("coordinator.standby", workers > 0);
    return Settings.load(Optional.empty(), keys);
  }

  private static String ledger(Path run) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    assertThat(
            LedgerCheck.run(
                new LedgerRequest(run, false, OptionalLong.empty()),
                new PrintStream(out, true, StandardCharsets.UTF_8)))
        .isZero();
    return out.toString(StandardCharsets.UTF_8);
  }
}
