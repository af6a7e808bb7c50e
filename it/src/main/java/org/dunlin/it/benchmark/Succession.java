package org.dunlin.it.benchmark;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.it.live.LiveRun;

/**
 * A run whose coordinator is killed again and again, each time when a standby is ready; and what
 * that cost, as its supervisor sees it. Milliseconds all.
 */
final class Succession {
  /** Steps before each kill: a run at work. */
  private static final int CALM_STEPS = 20;

  /** From the signal to the first commit under the next term. */
  final List<Double> toCommit = new ArrayList<>();

  private final Map<String, Object> keys;

  /**
   * @param keys of the run's settings, without its folder
   */
  Succession(Map<String, Object> keys) {
    this.keys = keys;
  }

  /** Kills so many coordinators of one run. */
  void measure(Path folder, int kills) throws IOException, InterruptedException {
    Map<String, Object> all = new HashMap<>(keys);
    all.put("run.output", folder.resolve("coordinators"));
    try (LiveRun run =
        LiveRun.start(Settings.load(Optional.empty(), all), Disturbance.LIMIT_SECONDS)) {
      run.await(RunEvent.Started.class::isInstance);
      for (int k = 0; k < kills; k++) {
        run.await(event -> isNoted(event, "a standby is ready"));
        for (int s = 0; s < CALM_STEPS; s++) {
          run.awaitCommit();
        }
        long sentNs = System.nanoTime();
        Disturbance.send("KILL", coordinator(run));
        run.await(event -> isNoted(event, "the coordinator of term "));
        toCommit.add((run.awaitCommit().atNs() - sentNs) / Disturbance.MS);
      }
      run.stop();
    }
  }

  static boolean isNoted(RunEvent event, String start) {
    return event instanceof RunEvent.Noted noted && noted.sentence().startsWith(start);
  }

  private static long coordinator(LiveRun run) {
    return run.census().processes().stream()
        .filter(member -> member.name().equals("coordinator"))
        .findFirst()
        .orElseThrow()
        .pid();
  }
}
