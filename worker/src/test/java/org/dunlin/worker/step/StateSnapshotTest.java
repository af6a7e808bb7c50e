package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.member.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What is read of a snapshot, whenever it is, is the state of its moment: it gives the same bits.
 */
class StateSnapshotTest {
  private static final int ROWS = 4;
  private static final int MOST_FLOATS = 700;

  private record Read(StateTensor tensor, long first, float[] values) {}

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void shouldGoOnFromItToTheSameBitsWhateverStepsComeBetween(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    SmallRun run =
        new SmallRun(
            SmallRun.Training.UNIFIED,
            seed % 3 == 0 ? Frozen.ENCODER : Frozen.NOTHING,
            new int[] {0, 13},
            0.1,
            2,
            32);
    int shares = 1 + random.nextInt(3);
    try (StepCompute device = run.device(2);
        StepCompute resumed = run.device(1)) {
      long step = 0;
      // The copies that this one needs are there when those of the next are made.
      try (Device.Snapshot before = device.snapshot(0, shares)) {
        for (; step < 2; step++) {
          train(run, device, step);
        }
        StateTensor last = before.tensors().get(before.tensors().size() - 1);
        before.read(last, 0, FloatBuffer.allocate(1));
      }
      Scalars scalars = device.scalars();
      List<Device.Snapshot> snapshots = new ArrayList<>();
      for (int share = 0; share < shares; share++) {
        snapshots.add(device.snapshot(share, shares));
      }
      List<Read> all = new ArrayList<>();
      for (Device.Snapshot snapshot : snapshots) {
        for (StateTensor tensor : snapshot.tensors()) {
          long elements = tensor.tensor().elements();
          for (long first = 0; first < elements; first += MOST_FLOATS) {
            if (random.nextInt(40) == 0) {
              train(run, device, step++);
            }
            FloatBuffer into = FloatBuffer.allocate((int) Math.min(MOST_FLOATS, elements - first));
            snapshot.read(tensor, first, into);
            all.add(new Read(tensor, first, into.array()));
          }
        }
        snapshot.close();
      }
      resumed.restore(2, scalars);
      for (Read read : all) {
        resumed.write(
            read.tensor().kind(),
            read.tensor().tensor().name(),
            read.first(),
            FloatBuffer.wrap(read.values()));
      }
      for (long again = 2; again < step; again++) {
        train(run, resumed, again);
      }
      assertThat(resumed.scalars()).isEqualTo(device.scalars());
      assertThat(run.compute(resumed, step, ROWS).checksum())
          .isEqualTo(run.compute(device, step, ROWS).checksum());
      SmallRun.parameters(device)
          .forEach(
              (name, values) ->
                  assertThat(SmallRun.parameters(resumed).get(name)).as(name).isEqualTo(values));
    }
  }

  @Test
  void shouldNotBeReadFromAClosedDevice() {
    SmallRun run = new SmallRun(0, 5, 1, 32);
    Device.Snapshot snapshot;
    try (StepCompute device = run.device(1)) {
      snapshot = device.snapshot(0, 1);
    }
    StateTensor first = snapshot.tensors().get(0);
    assertThatThrownBy(() -> snapshot.read(first, 0, FloatBuffer.allocate(1)))
        .isInstanceOf(IllegalStateException.class);
  }

  private static void train(SmallRun run, StepCompute device, long step) {
    run.compute(device, step, ROWS);
    device.apply(step);
  }
}
