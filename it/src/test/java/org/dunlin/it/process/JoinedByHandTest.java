package org.dunlin.it.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.Condition;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.data.model.Sha256;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code dunlin coordinator} and {@code dunlin worker}, each started by hand: the model is that of
 * {@code dunlin train}, and nobody who comes wrongly disturbs the run.
 */
@Tag("process")
class JoinedByHandTest {
  private static final long STEPS = 60;
  private static final String INVITATION = "  dunlin worker --join ";
  private static final String HOST = "127.0.0.1";

  /** Kernels of another kind, as another processor has them. */
  private static final Map<String, String> OTHER_KERNELS =
      Map.of("MKL_CBWR", "COMPATIBLE", "ATEN_CPU_CAPABILITY", "default");

  @TempDir private Path folder;

  @Test
  void shouldTrainTheModelOfOneProcessAndKeepOthersOut() throws Exception {
    String alone = train(folder.resolve("alone"));
    Path run = folder.resolve("cluster");
    try (Trainer coordinator = Trainer.coordinator(run, keys(run))) {
      String at = address(coordinator);
      try (Trainer first = worker(Map.of(), at, "first")) {
        first.awaitLineWith("the run's state is here");
        refuseOthers(at);
        // Whoever of these two comes last learns the state while the others train.
        try (Trainer second = worker(Map.of(), at, "second");
            Trainer third = worker(Map.of(), at, "third")) {
          coordinator.awaitLineWith(" takes part from step ");
          assertThat(coordinator.awaitExit()).as("of %s", coordinator.output()).isZero();
          for (Trainer worker : List.of(first, second, third)) {
            assertThat(worker.awaitExit()).isZero();
            assertThat(worker.output())
                .anyMatch(line -> line.contains(" ended: the run has ended"));
          }
          assertThat(coordinator.output())
              .anyMatch(line -> line.startsWith("worker first#1: that name is taken by process "))
              .anyMatch(line -> line.startsWith("worker other#1 computes other bits"));
        }
      }
    }
    assertThat(Sha256.of(run.resolve("model/model.safetensors"))).isEqualTo(alone);
  }

  /** The process lives on, and its pulse; only it can tell. */
  @Test
  void shouldGoOnToTheSameBitsWithoutAWorkerWhoseComputeHangs() throws Exception {
    String alone = train(folder.resolve("alone"));
    Path run = folder.resolve("cluster");
    try (Trainer coordinator = Trainer.coordinator(run, keys(run))) {
      String at = address(coordinator);
      try (Trainer first = worker(Map.of(), at, "first");
          Trainer hanging = Trainer.program(HangingWorker.class, at)) {
        String said = " failed: backward of a micro-batch of ";
        assertThat(coordinator.awaitLine("worker hanging#1" + said))
            .contains(" tokens hangs: it has taken ", "; the run goes on with 1");
        assertThat(hanging.awaitExit()).isEqualTo(1);
        assertThat(hanging.output())
            .filteredOn(line -> line.startsWith("worker hanging#1:" + said))
            .hasSize(1);
        assertThat(coordinator.awaitExit()).as("of %s", coordinator.output()).isZero();
        assertThat(first.awaitExit()).isZero();
      }
    }
    assertThat(Sha256.of(run.resolve("model/model.safetensors"))).isEqualTo(alone);
  }

  /**
   * Every sample still counts once; only the promise of equal bits is given up, and that is said.
   */
  @Test
  @Tag("long")
  void shouldTrainWithOtherKernelsWhereThatIsAllowed() throws Exception {
    Path run = folder.resolve("cluster");
    Map<String, Object> keys = keys(run);
    keys.put("cluster.allow-different-kernels", true);
    try (Trainer coordinator = Trainer.coordinator(run, keys)) {
      String at = address(coordinator);
      try (Trainer first = worker(Map.of(), at, "first");
          Trainer other = worker(OTHER_KERNELS, at, "other")) {
        assertThat(coordinator.awaitExit()).as("of %s", coordinator.output()).isZero();
        assertThat(first.awaitExit()).isZero();
        assertThat(other.awaitExit()).isZero();
        assertThat(coordinator.output())
            .filteredOn(line -> line.contains("as cluster.allow-different-kernels allows"))
            .hasSize(1);
      }
    }
    try (Trainer ledger = Trainer.ledger(run)) {
      assertThat(ledger.awaitExit()).as("of %s", ledger.output()).isZero();
    }
  }

  @Test
  @Tag("long")
  void shouldGoOnWithoutAWorkerThatIsStoppedAndEndWithTheCoordinator() throws Exception {
    Path run = folder.resolve("cluster");
    Map<String, Object> keys = keys(run);
    keys.put("train.steps", 1_000_000);
    try (Trainer coordinator = Trainer.coordinator(run, keys)) {
      String at = address(coordinator);
      try (Trainer first = worker(Map.of(), at, "first");
          Trainer second = worker(Map.of(), at, "second")) {
        coordinator.awaitLine("step 1/");
        Trainer.signal("INT", second.family());
        coordinator.awaitLineWith("as it was asked to; the run goes on with 1");
        assertThat(second.awaitExit()).isZero();
        Trainer.signal("KILL", coordinator.family());
        assertThat(first.awaitExit()).isEqualTo(1);
        assertThat(first.output())
            .filteredOn(line -> line.contains("failed: the coordinator is gone"))
            .hasSize(1);
      }
    }
  }

  @Test
  @Tag("long") // as the one with a standby
  void shouldGoOnWithItsWorkersWhenTheCoordinatorIsStartedAgain() throws Exception {
    String alone = train(folder.resolve("alone"));
    Path run = folder.resolve("cluster");
    Map<String, Object> keys = keys(run);
    keys.put("workers", 1);
    try (Trainer coordinator = Trainer.coordinator(run, keys);
        Trainer worker = worker(Map.of(), address(coordinator), "first")) {
      coordinator.awaitLine("step 1/");
      Trainer.signal("KILL", coordinator.family());
      coordinator.awaitExit();
      keys.put("run.resume", "newest");
      try (Trainer next = Trainer.coordinator(run, keys)) {
        next.awaitLine("the run's coordinator is gone; 1 of the 1 workers that it left live");
        next.awaitLine("the coordinator of term 2 goes on after ");
        assertThat(next.awaitExit()).as("of %s", next.output()).isZero();
        assertThat(worker.awaitExit()).as("of %s", worker.output()).isZero();
      }
    }
    assertThat(Sha256.of(run.resolve("model/model.safetensors"))).isEqualTo(alone);
  }

  /** Two stand by: one goes on, and the other one sees the end. */
  @Test
  void shouldGoOnWithItsWorkersWhereAnotherCoordinatorStandsBy() throws Exception {
    String alone = train(folder.resolve("alone"));
    Path run = folder.resolve("cluster");
    Map<String, Object> keys = keys(run);
    keys.put("workers", 1);
    try (Trainer coordinator = Trainer.coordinator(run, keys)) {
      String at = address(coordinator);
      try (Trainer second = standby(run);
          Trainer third = standby(run)) {
        second.awaitLine("standing by for the run in ");
        third.awaitLine("standing by for the run in ");
        try (Trainer worker = worker(Map.of(), at, "first")) {
          coordinator.awaitLine("step 1/");
          Trainer.signal("KILL", coordinator.family());
          assertThat(second.awaitExit()).as("of %s", second.output()).isZero();
          assertThat(third.awaitExit()).as("of %s", third.output()).isZero();
          assertThat(worker.awaitExit()).as("of %s", worker.output()).isZero();
          assertThat(List.of(second.output(), third.output()))
              .haveExactly(1, saying("the coordinator of term 2 goes on after "))
              .haveExactly(1, saying("the run has ended"));
        }
      }
    }
    assertThat(Sha256.of(run.resolve("model/model.safetensors"))).isEqualTo(alone);
  }

  private static Trainer standby(Path run) throws Exception {
    return Trainer.on(List.of(), List.of("coordinator", "--standby", "--output", run.toString()));
  }

  private static Condition<List<String>> saying(String start) {
    return new Condition<>(
        output -> output.stream().anyMatch(line -> line.startsWith(start)), "saying " + start);
  }

  @Test
  void shouldSayInASentenceWhatIsWrongWithAnAddress() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Map<String, Object> keys = keys(folder.resolve("run"));
      keys.put("cluster.port", taken.getLocalPort());
      try (Trainer coordinator = Trainer.coordinator(folder.resolve("run"), keys)) {
        assertThat(coordinator.awaitExit()).isEqualTo(2);
        assertThat(coordinator.output())
            .anyMatch(line -> line.startsWith("cluster.port: ") && line.contains("in use"));
        assertThat(folder.resolve("run")).doesNotExist();
      }
    }
    int free;
    try (ServerSocket socket = new ServerSocket(0)) {
      free = socket.getLocalPort();
    }
    try (Trainer worker = Trainer.worker(Map.of(), "--join", HOST + ":" + free, "--wait", "1s")) {
      assertThat(worker.awaitExit()).isEqualTo(1);
      assertThat(worker.output())
          .anyMatch(line -> line.startsWith("no coordinator at " + HOST + ":" + free + " within"));
    }
  }

  private static void refuseOthers(String at) throws Exception {
    try (Trainer other = worker(OTHER_KERNELS, at, "other");
        Trainer namesake = worker(Map.of(), at, "first")) {
      assertThat(other.awaitExit()).isEqualTo(1);
      assertThat(other.output())
          .anyMatch(line -> line.startsWith("worker other#1: failed: ") && line.contains("probe"));
      assertThat(namesake.awaitExit()).isEqualTo(1);
    }
  }

  private static Map<String, Object> keys(Path run) {
    Map<String, Object> keys = new HashMap<>(Golden.keys(run, STEPS, 2));
    keys.put("cluster.host", HOST);
    keys.put("cluster.port", 0);
    keys.put("log.every-steps", 1);
    return keys;
  }

  private static String train(Path run) throws Exception {
    try (Job job = Job.open(Golden.settings(run, STEPS, 0));
        Watcher watcher = job.watching()) {
      assertThat(job.run(watcher, StopRequest.byHand())).isInstanceOf(Outcome.Finished.class);
    }
    return Sha256.of(run.resolve("model/model.safetensors"));
  }

  private static String address(Trainer coordinator) throws InterruptedException {
    return coordinator.awaitLine(INVITATION).substring(INVITATION.length());
  }

  private static Trainer worker(Map<String, String> environment, String at, String name)
      throws Exception {
    return Trainer.worker(
        environment, "--join", at, "--name", name, "--threads", "1", "--wait", "30s");
  }
}
