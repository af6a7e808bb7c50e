package org.dunlin.protocol.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.stream.SourceRef;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.ledger.LedgerRecord;
import org.dunlin.protocol.message.CopyEnded;
import org.dunlin.protocol.message.CopyOffered;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.RunBytes;
import org.dunlin.protocol.message.Seat;
import org.dunlin.protocol.message.SlotDigest;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.message.ToCoordinator.Prepared;
import org.dunlin.protocol.message.ToWorker.Assign;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a run and a step are comes out of the wire as it went in. */
class CodecTest {
  private static final EncoderSpec ENCODER =
      new EncoderSpec(
          EncoderSpec.Family.XLM_ROBERTA, 1500, 130, 1, 64, 2, 4, 128, 1e-5, 1, 0.1, 0.2);
  private static final BatchSpec BATCH =
      new BatchSpec(
          64, 9, 4, 8, 4096, 50, 24, 48, 8, 3, 16, List.of(new MicroBatchLimit(512, 2048)));
  private static final LossSpec LOSS =
      new LossSpec(
          LossSpec.Pooling.MEAN,
          true,
          0.02,
          true,
          LossSpec.Distillation.M3_KD_LOSS,
          7,
          List.of(),
          true);
  private static final OptimizerSpec OPTIMIZER =
      new OptimizerSpec(
          1e-5,
          OptimizerSpec.Schedule.LINEAR,
          3,
          0.01,
          0.8,
          0.99,
          1e-7,
          2,
          OptimizerSpec.Frozen.ENCODER);

  /** Streams that lead to nothing, by an empty name. */
  private static final MessageCodec.References NOWHERE =
      new MessageCodec.References() {
        @Override
        public <T> String actor(ActorRef<T> actor) {
          return "";
        }

        @Override
        public <T> ActorRef<T> actor(String text) {
          return null;
        }

        @Override
        public <T> String source(SourceRef<T> source) {
          return "";
        }

        @Override
        public <T> SourceRef<T> source(String text) {
          return null;
        }
      };

  @Test
  void shouldKeepARun() {
    RunSpec spec = run(HeadSpec.unified(32, List.of(0, 2, 1, 3)), LOSS, OPTIMIZER);
    assertThat(RunSpecCodec.read(RunSpecCodec.write(spec))).isEqualTo(spec);
  }

  @Test
  void shouldKeepARunWithMatryoshkaDims() {
    LossSpec loss =
        new LossSpec(
            LossSpec.Pooling.CLS,
            false,
            1,
            false,
            LossSpec.Distillation.KL_DIV,
            LossSpec.NEVER,
            List.of(64, 32),
            false);
    OptimizerSpec optimizer =
        new OptimizerSpec(
            1, OptimizerSpec.Schedule.CONSTANT, 0, 0, 0, 0, 1, 0, OptimizerSpec.Frozen.POSITIONS);
    RunSpec spec = run(HeadSpec.DENSE, loss, optimizer);
    assertThat(RunSpecCodec.read(RunSpecCodec.write(spec))).isEqualTo(spec);
  }

  @Test
  void shouldKeepAResultThatIsNotFinite() throws Exception {
    StepResult result =
        new StepResult(
            5,
            -7,
            false,
            Double.POSITIVE_INFINITY,
            new Scalars(3, 32768, 1999),
            new double[] {Double.NaN, -1.5},
            12.5);
    Prepared prepared = new Prepared(new WorkerId("w", 2), new Term(3), new Generation(4), result);
    MessageCodec codec = new MessageCodec(null);
    byte[] bytes = codec.write(prepared).toByteArray();
    Prepared read = (Prepared) codec.read(MessageCodec.manifest(prepared), bytes);
    assertThat(read)
        .usingRecursiveComparison()
        .ignoringFields("result.slotLosses")
        .isEqualTo(prepared);
    assertThat(read.result().slotLosses()).isEqualTo(result.slotLosses());
  }

  @Test
  void shouldKeepWhatSlotsOfAnAuditShow() throws Exception {
    StepResult result =
        new StepResult(
            5,
            7,
            true,
            1,
            new Scalars(3, 1, 0),
            new double[0],
            0,
            List.of(
                new SlotDigest(2, -1, Long.MIN_VALUE, 0, Long.MAX_VALUE),
                new SlotDigest(3, 1, 2, 3, 4)));
    Prepared prepared = new Prepared(new WorkerId("w", 2), new Term(3), new Generation(4), result);
    MessageCodec codec = new MessageCodec(null);
    byte[] bytes = codec.write(prepared).toByteArray();
    assertThat(codec.read(MessageCodec.manifest(prepared), bytes))
        .usingRecursiveComparison()
        .isEqualTo(prepared);
  }

  @ParameterizedTest
  @EnumSource
  void shouldKeepAGeneration(Recompute recompute) throws Exception {
    Assign assign =
        new Assign(
            new Term(3),
            new Generation(4),
            5,
            List.of(
                new Seat(new WorkerId("b", 2), new Endpoint("host", 1), 0, 3),
                new Seat(new WorkerId("a", 1), new Endpoint("other", 2), 3, 1)),
            recompute,
            null);
    MessageCodec codec = new MessageCodec(NOWHERE);
    byte[] bytes = codec.write(assign).toByteArray();
    assertThat(codec.read(MessageCodec.manifest(assign), bytes)).isEqualTo(assign);
  }

  @Test
  void shouldKeepAStep() {
    StepHeader header =
        new StepHeader(
            5,
            2,
            2,
            new int[] {0, 1, 3},
            new long[] {9, 8, 7},
            new long[] {1, -2, 3, 4, 5, 6},
            new int[] {4, 5, 6, 7, 8, 9},
            new float[] {1.5f, -2, 3, 0, 5, 6},
            false,
            new int[] {0, 2, 3},
            39,
            54);
    assertThat(BatchCodec.read(BatchCodec.write(header)))
        .usingRecursiveComparison()
        .isEqualTo(header);
    assertThat(header.poolOf(0)).isZero();
    assertThat(header.poolOf(1)).isZero();
    assertThat(header.poolOf(2)).isOne();
  }

  @Test
  void shouldKeepABatch() {
    int[][] ids = {{0, 5, 2}, {0, 6, 7, 2}};
    SlotBatch batch = new SlotBatch(5, 1, 4, 1, 1, ids, new int[][] {{1}, {0}}, 8);
    assertThat(BatchCodec.read(BatchCodec.write(batch)))
        .usingRecursiveComparison()
        .isEqualTo(batch);
  }

  @Test
  void shouldKeepAChunkOfAStateOrRefuseIt() throws Exception {
    ByteBuffer values = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
    values.asFloatBuffer().put(new float[] {1.5f, -0f, Float.NaN});
    StateChunk chunk = new StateChunk(Kind.SECOND_MOMENT, "t", 300, values.asReadOnlyBuffer());
    MessageCodec codec = new MessageCodec(null);
    byte[] bytes = codec.write(chunk).toByteArray();
    assertThat(codec.read(MessageCodec.manifest(chunk), bytes)).isEqualTo(chunk);

    StateChunkWire wire = StateChunkWire.parseFrom(bytes);
    for (int bit = 0; bit < 8 * values.capacity(); bit++) {
      byte[] flipped = wire.getValues().toByteArray();
      flipped[bit / 8] ^= (byte) (1 << bit % 8);
      byte[] spoiled =
          wire.toBuilder().setValues(ByteString.copyFrom(flipped)).build().toByteArray();
      assertThatThrownBy(() -> codec.read(MessageCodec.manifest(chunk), spoiled))
          .hasMessageStartingWith("t, from element 300: CRC32C is ");
    }
  }

  @Test
  void shouldKeepWhatACopyIsMadeOfOrRefuseIt() throws Exception {
    ByteBuffer bytes = ByteBuffer.wrap(new byte[] {1, 0, -1});
    RunBytes piece = new RunBytes("checkpoints/step-000020/a", 5, 9, bytes.asReadOnlyBuffer());
    MessageCodec codec = new MessageCodec(NOWHERE);
    byte[] wire = codec.write(piece).toByteArray();
    assertThat(codec.read(MessageCodec.manifest(piece), wire)).isEqualTo(piece);
    byte[] spoiled =
        RunBytesWire.parseFrom(wire).toBuilder()
            .setBytes(ByteString.copyFrom(new byte[] {1, 1, -1}))
            .build()
            .toByteArray();
    assertThatThrownBy(() -> codec.read(MessageCodec.manifest(piece), spoiled))
        .hasMessageStartingWith("checkpoints/step-000020/a, from byte 5: CRC32C is ");
    assertThatThrownBy(() -> new RunBytes("a", 7, 9, bytes))
        .hasMessage("a: 3 bytes at 7 of 9 (expected: at most 1048576, within the file)");

    for (OnWire message :
        List.of(
            new CopyOffered(
                new Term(3),
                7,
                "run",
                20,
                "ab",
                99,
                List.of("a", "b"),
                List.of(20L, 10L),
                null,
                null),
            new CopyEnded(20, true, "/folder"))) {
      assertThat(codec.read(MessageCodec.manifest(message), codec.write(message).toByteArray()))
          .isEqualTo(message);
    }
  }

  @Test
  void shouldKeepALedgersRecords() {
    for (LedgerRecord entry :
        List.of(
            new LedgerRecord.Header("my run", new Term(3), 100, 400, 390, "ab", "cd"),
            new LedgerRecord.Intent(5, 1, new Generation(2), new long[] {7, 399, 0, 8}),
            new LedgerRecord.Intent(0, 0, new Generation(1), new long[0]),
            new LedgerRecord.Commit(5, new Generation(2), -9))) {
      assertThat(LedgerCodec.read(LedgerCodec.write(entry))).isEqualTo(entry);
    }
  }

  @Test
  void shouldRefuseALedgersRecordOfALaterVersion() {
    byte[] unknown = {(byte) (15 << 3 | 2), 0}; // field 15, a message without a field
    assertThatThrownBy(() -> LedgerCodec.read(unknown))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("a kind that this Dunlin does not know");
    assertThatThrownBy(() -> LedgerCodec.read(new byte[] {-1}))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("not a record of a ledger");
  }

  @Test
  void shouldRefuseWhatHasNoMeaning() {
    assertThatThrownBy(() -> run(HeadSpec.DENSE, LOSS, OPTIMIZER))
        .hasMessageContaining("self-distillation with one head");
    assertThatThrownBy(() -> HeadSpec.unified(0, List.of()))
        .hasMessage("colbert_dim: 0 (expected: >= 1)");
    assertThatThrownBy(() -> new HeadSpec(false, 32, List.of()))
        .hasMessageContaining("without unified fine-tuning");
    assertThatThrownBy(
            () ->
                new StepHeader(
                    0,
                    0,
                    1,
                    new int[] {0, 2},
                    new long[2],
                    new long[2],
                    new int[0],
                    new float[1],
                    true,
                    new int[] {0, 2},
                    1,
                    1))
        .hasMessage("step 0: 1 teacher scores (expected: 0 or 2)");
  }

  private static RunSpec run(HeadSpec heads, LossSpec loss, OptimizerSpec optimizer) {
    return new RunSpec(
        "name",
        42,
        100,
        ENCODER,
        heads,
        "ab",
        "cd",
        DataSpec.PLAIN,
        BATCH,
        loss,
        optimizer,
        new ComputeSpec(ComputeSpec.Precision.BF16, true, ComputeSpec.Reduction.FAST));
  }
}
