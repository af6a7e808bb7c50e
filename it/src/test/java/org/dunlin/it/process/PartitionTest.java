package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.data.model.Sha256;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Hosts that are cut off while a run goes on, each a network namespace. */
@Tag("process")
@Tag("long") // some minutes, and only as root
class PartitionTest {
  private static final long STEPS = 600;
  private static final int COORDINATOR = 1;
  private static final String INVITATION = "  dunlin worker --join ";

  @TempDir private Path folder;

  @Test
  void shouldGoOnToTheSameBitsWithoutAHostThatIsCutOffAndTakeItBack() throws Exception {
    assumeTrue(Network.isPossible(), "network namespaces need root and iproute2");
    Path run = folder.resolve("run");
    try (Network network = Network.of(3);
        Trainer coordinator =
            Trainer.on(network.on(COORDINATOR), run, "coordinator", keys(network, run))) {
      String at = coordinator.awaitLine(INVITATION).substring(INVITATION.length());
      try (Trainer second = worker(network, 2, at, "second");
          Trainer third = worker(network, 3, at, "third")) {
        coordinator.awaitLine("step 1/");
        // Whoever hears nobody is cut off itself, and waits.
        network.cut(COORDINATOR);
        second.awaitLineWith("nothing has been heard from the coordinator at ");
        network.mend(COORDINATOR);
        coordinator.awaitLine("step ");
        coordinator.awaitLine("step ");

        network.cut(3);
        coordinator.awaitLine("worker third#1 has been silent for 1000 ms; the run goes on with 1");
        third.awaitLineWith("nothing has been heard from the coordinator at ");
        coordinator.awaitLine("step ");
        network.mend(3);
        assertThat(third.awaitExit()).isEqualTo(1);
        assertThat(third.output()).anyMatch(line -> line.contains("failed: it was taken for dead"));

        try (Trainer again = worker(network, 3, at, "again")) {
          coordinator.awaitLine("worker again#1 takes part from step ");
          assertThat(coordinator.awaitExit()).as("of %s", coordinator.output()).isZero();
          assertThat(second.awaitExit()).isZero();
          assertThat(again.awaitExit()).isZero();
        }
        assertThat(coordinator.output()).noneMatch(line -> line.contains("second#1 has been"));
      }
    }
    Path calm = folder.resolve("calm");
    try (Job job = Job.open(Golden.settings(calm, STEPS, 0));
        Watcher watcher = job.watching()) {
      assertThat(job.run(watcher, StopRequest.byHand())).isInstanceOf(Outcome.Finished.class);
    }
    assertThat(Sha256.of(run.resolve("model/model.safetensors")))
        .isEqualTo(Sha256.of(calm.resolve("model/model.safetensors")));
  }

  private static Map<String, Object> keys(Network network, Path run) {
    Map<String, Object> keys = new HashMap<>(Golden.keys(run, STEPS, 2));
    keys.put("cluster.host", network.address(COORDINATOR));
    keys.put("cluster.port", 0);
    keys.put("log.every-steps", 1);
    keys.put("step.lease-ms", 1000);
    return keys;
  }

  private static Trainer worker(Network network, int host, String at, String name)
      throws Exception {
    return Trainer.on(
        network.on(host),
        List.of("worker", "--join", at, "--name", name, "--threads", "1", "--wait", "2m"));
  }
}
