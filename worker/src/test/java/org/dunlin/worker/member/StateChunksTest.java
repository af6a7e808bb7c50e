package org.dunlin.worker.member;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.message.ToWorker;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.hang.HangWatch;
import org.junit.jupiter.api.Test;

class StateChunksTest {
  private static final int CHUNK = StateChunk.MAX_BYTES / Float.BYTES;

  @Test
  void shouldCopyOneChunkAtATime() {
    Table device = new Table(3 * CHUNK + 1);
    Iterator<StateChunk> chunks = StateChunks.read(device);
    assertThat(device.reads).isZero();
    chunks.next();
    assertThat(device.reads).isEqualTo(1);
  }

  @Test
  void shouldArriveAsItWasRead() {
    Table from = new Table(2 * CHUNK + 1);
    Table to = new Table(2 * CHUNK + 1);
    for (int i = 0; i < from.values.length; i++) {
      from.values[i] = i;
    }
    StateChunks.Receiver receiver = new StateChunks.Receiver(to);
    StateChunks.read(from).forEachRemaining(receiver::accept);
    receiver.finish(false);
    assertThat(to.values).isEqualTo(from.values);
  }

  @Test
  void shouldNotTakeAPartForTheWhole() {
    StateChunks.Receiver receiver = new StateChunks.Receiver(new Table(CHUNK + 1));
    receiver.accept(StateChunks.read(new Table(CHUNK + 1)).next());
    assertThatThrownBy(() -> receiver.finish(false))
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("lacks 1 elements of table");
  }

  @Test
  void shouldNotBeReadFromAClosedDevice() {
    Table device = new Table(2 * CHUNK);
    WorkerSetup setup =
        new WorkerSetup(
            new WorkerId("w", 1),
            "0.1.0",
            "127.0.0.1",
            spec -> device,
            spec -> "",
            0,
            HangWatch.NONE,
            sentence -> {});
    StepThread steps = new StepThread(setup);
    steps
        .submit(
            () ->
                steps.load(
                    new ToWorker.Welcome(
                        new Term(1), null, 0, new Scalars(0, 1, 0), null, null, 1000),
                    receiver -> StateChunks.read(device).forEachRemaining(receiver::accept)))
        .join();
    device.reads = 0;
    Iterator<StateChunk> chunks = steps.state();
    chunks.next();
    steps.close();
    steps.closed().toCompletableFuture().join();
    assertThatThrownBy(chunks::next)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("the device of w#1 is closed");
    assertThat(device.reads).isEqualTo(1);
  }

  @Test
  void shouldSendAShareTensorByTensorAndLetItGo() {
    Kept kept = new Kept();
    StateChunks.Share share = new StateChunks.Share(kept);
    assertThat(kept.reads).isEmpty();
    List<RuntimeException> told = new ArrayList<>();
    List<String> sent = new ArrayList<>();
    Optional<StateChunk> next = share.next(told::add);
    while (next.isPresent()) {
      StateChunk chunk = next.get();
      sent.add(
          "%s.%s from %d: %d bytes"
              .formatted(
                  chunk.kind(), chunk.tensor(), chunk.firstElement(), chunk.values().remaining()));
      assertThat(kept.reads).hasSameSizeAs(sent); // none is read ahead
      next = share.next(told::add);
    }
    assertThat(sent)
        .containsExactly(
            "PARAMETER.a from 0: 1048576 bytes",
            "PARAMETER.a from 262144: 4 bytes",
            "SECOND_MOMENT.b from 0: 12 bytes");
    assertThat(told).isEmpty();
    share.close();
    assertThat(kept.isClosed).isTrue();
  }

  @Test
  void shouldSayWhyAShareEndsEarly() {
    Kept kept = new Kept();
    StateChunks.Share share = new StateChunks.Share(kept);
    List<RuntimeException> told = new ArrayList<>();
    assertThat(share.next(told::add)).isPresent();
    kept.why = Optional.of(Refusal.run("no memory for a copy"));
    assertThatThrownBy(() -> share.next(told::add)).hasMessage("no memory for a copy");
    assertThat(told).containsExactly(kept.why.get());
  }

  /** A share of two tensors. */
  private static final class Kept implements Device.Snapshot {
    private final List<String> reads = new ArrayList<>();
    private Optional<RuntimeException> why = Optional.empty();
    private boolean isClosed;

    @Override
    public List<StateTensor> tensors() {
      return List.of(
          new StateTensor(Kind.PARAMETER, new Tensor("a", List.of(CHUNK + 1L))),
          new StateTensor(Kind.SECOND_MOMENT, new Tensor("b", List.of(3L))));
    }

    @Override
    public void read(StateTensor tensor, long firstElement, FloatBuffer into) {
      why.ifPresent(
          broken -> {
            throw broken;
          });
      reads.add(tensor + " from " + firstElement);
      into.position(into.limit());
    }

    @Override
    public void close() {
      isClosed = true;
    }
  }

  /** A device that holds one parameter and computes nothing. */
  private static final class Table implements Device {
    private final float[] values;
    private int reads;

    Table(int elements) {
      this.values = new float[elements];
    }

    @Override
    public Map<String, Long> parameters() {
      return Map.of("table", (long) values.length);
    }

    @Override
    public long moments() {
      return 0;
    }

    @Override
    public void restore(long steps, Scalars scalars) {}

    @Override
    public void write(Kind kind, String tensor, long firstElement, FloatBuffer source) {
      source.get(values, (int) firstElement, source.remaining());
    }

    @Override
    public void read(String parameter, long firstElement, FloatBuffer into) {
      reads++;
      into.put(values, (int) firstElement, into.remaining());
    }

    @Override
    public StepResult compute(
        StepHeader header,
        List<SlotBatch> own,
        Exchange exchange,
        int[] slotBounds,
        Recompute recompute) {
      throw new AssertionError("only its state is looked at");
    }

    @Override
    public Lesson teach(int share, int shares) {
      throw new AssertionError("only its state is looked at");
    }

    @Override
    public Snapshot snapshot(int share, int shares) {
      throw new AssertionError("only its state is looked at");
    }

    @Override
    public Study study(int shares) {
      throw new AssertionError("only its state is looked at");
    }

    @Override
    public Scalars scalars() {
      throw new AssertionError("only its state is looked at");
    }

    @Override
    public void apply(long step) {
      throw new AssertionError("only its state is looked at");
    }

    @Override
    public void close() {}
  }
}
