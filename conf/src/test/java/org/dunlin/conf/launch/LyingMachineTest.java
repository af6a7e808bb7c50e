package org.dunlin.conf.launch;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.AuditPlan;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.step.StepCompute;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * One machine of several computes its slots wrongly, so that all members hold the same wrong sum:
 * real devices and a real data plane, all in this process.
 */
class LyingMachineTest {
  private static final long STEPS = 6;
  private static final long AUDIT_EVERY = 3;

  @TempDir private static Path folder;

  private static String calm;

  @BeforeAll
  static void trainCalmly() {
    calm = calm();
  }

  @Test
  void shouldNameTheMachineAndGoOnWithoutIt() throws Exception {
    Settings settings = settings("three");
    try (ActorRun run = ActorRun.start(settings, Admission.closed(3))) {
      run.add("worker-1", device -> device);
      run.add("worker-2", device -> device);
      run.add("worker-3", device -> new Lying(device, firstAudit(settings), Long.MAX_VALUE));
      run.awaitEnd();
      assertThat(run.told())
          .anySatisfy(
              sentence ->
                  assertThat(sentence)
                      .matches(
                          "missed worker-3#1: computed slot \\d of step %d otherwise than worker-\\d#1 and worker-\\d#1, from the embeddings on: its machine computes wrongly; 2 left"
                              .formatted(firstAudit(settings))));
      assertThat(run.model()).isEqualTo(calm);
    }
  }

  @Test
  void shouldCountTheStepWhenABitHadFlippedOnce() throws Exception {
    Settings settings = settings("two");
    try (ActorRun run = ActorRun.start(settings, Admission.closed(2))) {
      run.add("worker-1", device -> device);
      run.add("worker-2", device -> new Lying(device, firstAudit(settings), 1));
      run.awaitEnd();
      assertThat(run.told())
          .contains(
              "step %d was computed 2 times more, each slot by 2 workers, and they agree: a bit had flipped in one of their memories"
                  .formatted(firstAudit(settings)));
      assertThat(run.model()).isEqualTo(calm);
    }
  }

  private static Settings settings(String name) {
    return ActorRun.settings(
        folder.resolve(name), Map.of("train.steps", STEPS, "step.audit-every", AUDIT_EVERY));
  }

  private static long firstAudit(Settings settings) {
    AuditPlan plan = new AuditPlan(AUDIT_EVERY, settings.seed());
    return LongStream.range(0, STEPS).filter(plan::audits).findFirst().orElseThrow();
  }

  /** The SHA-256 of the weights that one worker trains. */
  private static String calm() {
    try (Job job = Job.open(settings("calm"));
        Watcher watcher = job.watching()) {
      Outcome outcome = job.runHere(1, watcher, StopRequest.byHand());
      assertThat(outcome).isInstanceOf(Outcome.Finished.class);
      return ((Outcome.Finished) outcome).model().sha256();
    }
  }

  /**
   * A device that computes with one wrong parameter, and never knows it: it is right again when the
   * state is looked at or updated.
   */
  private static final class Lying extends ForwardingDevice {
    private static final String PARAMETER = "encoder.layer.0.output.dense.weight";
    private static final int WRONG_BIT = 1 << 21;

    private final long from;
    private long lies;

    Lying(StepCompute exact, long from, long lies) {
      super(exact);
      this.from = from;
      this.lies = lies;
    }

    @Override
    public StepResult compute(
        StepHeader header,
        List<SlotBatch> own,
        Exchange exchange,
        int[] slotBounds,
        Recompute recompute) {
      if (header.step() < from || lies == 0) {
        return to.compute(header, own, exchange, slotBounds, recompute);
      }
      lies--;
      flip(header.step());
      try {
        return to.compute(header, own, exchange, slotBounds, recompute);
      } finally {
        flip(header.step());
      }
    }

    // In a part of the state that is compared in other steps.
    private void flip(long step) {
      long elements = to.parameters().get(PARAMETER);
      long element = elements * ((step + 8) % 16) / 16 + 5;
      FloatBuffer value = FloatBuffer.allocate(1);
      to.read(PARAMETER, element, value);
      value.put(0, Float.intBitsToFloat(Float.floatToRawIntBits(value.get(0)) ^ WRONG_BIT));
      to.write(Kind.PARAMETER, PARAMETER, element, value.flip());
    }
  }
}
