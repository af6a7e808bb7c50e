package org.dunlin.data.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import org.dunlin.data.checkpoint.Manifest.Cut;
import org.dunlin.data.checkpoint.Manifest.Origin;
import org.dunlin.data.checkpoint.Manifest.Place;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.SafetensorsWriter;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.StateChunk.Piece;
import org.dunlin.protocol.run.BatchSpec;
import org.dunlin.protocol.run.ComputeSpec;
import org.dunlin.protocol.run.DataSpec;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.dunlin.protocol.run.HeadSpec;
import org.dunlin.protocol.run.LossSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.OptimizerSpec;
import org.dunlin.protocol.run.OptimizerSpec.Frozen;
import org.dunlin.protocol.run.OptimizerSpec.Schedule;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;

/** A run of a very small unified model whose state after so many steps is a function of them. */
public record SmallRun(RunSpec spec, ModelFolder model) implements AutoCloseable {
  public static final String CONF = "train.steps = 100\n";

  private static final long SEED = 7;
  private static final int VECTOR_WIDTH = 3;

  /** A model of few tensors of few values. */
  public static SmallRun in(Path folder, Frozen frozen) throws IOException {
    return in(folder, frozen, 9, 4);
  }

  /**
   * @param vocabulary with the hidden size, of the one large tensor
   */
  static SmallRun in(Path folder, Frozen frozen, int vocabulary, int hidden) throws IOException {
    EncoderSpec encoder =
        new EncoderSpec(Family.BERT, vocabulary, 40, 2, hidden, 1, 2, 8, 1e-12, 0, 0.1, 0.2);
    Files.createDirectories(folder);
    Files.writeString(
        folder.resolve("config.json"),
        """
        {"model_type": "bert", "vocab_size": %d, "max_position_embeddings": 40, "type_vocab_size": 2,
         "hidden_size": %d, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
        """
            .formatted(vocabulary, hidden));
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    List<Tensor> tensors = EncoderTensors.expected(encoder);
    try (SafetensorsWriter weights =
        new SafetensorsWriter(folder.resolve("model.safetensors"), tensors)) {
      for (Tensor tensor : tensors) {
        weights.put(tensor.name(), 0, values(0, Kind.PARAMETER, tensor));
      }
      weights.finish();
    }
    ModelFolder model = ModelFolder.open(folder).withHeads(OptionalInt.of(VECTOR_WIDTH), SEED);
    return new SmallRun(spec(encoder, frozen, model.weightsSha256()), model);
  }

  private static RunSpec spec(EncoderSpec encoder, Frozen frozen, String weightsSha256) {
    return new RunSpec(
        "small",
        SEED,
        100,
        encoder,
        HeadSpec.unified(VECTOR_WIDTH, List.of(0, 2)),
        weightsSha256,
        "",
        DataSpec.PLAIN,
        new BatchSpec(8, 0, 2, 8, 256, 1, 24, 30, 1),
        LossSpec.contrastive(Pooling.CLS, true, 0.02, true),
        new OptimizerSpec(1e-3, Schedule.CONSTANT, 0, 0, 0.9, 0.999, 1e-8, 1, frozen),
        ComputeSpec.PLAIN);
  }

  public List<Tensor> tensors() {
    return EncoderTensors.expected(spec.encoder(), spec.heads());
  }

  public boolean trains(Tensor tensor) {
    return EncoderTensors.isTrained(spec.optimizer().frozen(), tensor.name());
  }

  /** What the state holds; what is not trained is what the model begins with. */
  public ByteBuffer values(long steps, StateTensor of) {
    ByteBuffer bytes =
        ByteBuffer.allocate((int) of.tensor().elements() * Float.BYTES)
            .order(ByteOrder.LITTLE_ENDIAN);
    if (trains(of.tensor())) {
      bytes.asFloatBuffer().put(values(steps, of.kind(), of.tensor()));
    } else {
      model.read(of.tensor(), 0, bytes.asFloatBuffer());
    }
    return bytes;
  }

  // Any bits: NaNs and zeros of both signs are states too.
  private static FloatBuffer values(long steps, Kind kind, Tensor tensor) {
    Random random = new Random(steps * 31 + (kind + tensor.name()).hashCode());
    FloatBuffer values = FloatBuffer.allocate((int) tensor.elements());
    while (values.hasRemaining()) {
      values.put(Float.intBitsToFloat(random.nextInt()));
    }
    return values.flip();
  }

  /** Writes a whole checkpoint, as the processes of a run do together. */
  public void write(CheckpointStore store, long steps, int shares) throws IOException {
    Path folder = store.begin(steps, 0).orElseThrow();
    List<CheckpointPart> parts = new ArrayList<>();
    for (int share = 0; share < shares; share++) {
      parts.add(write(folder, steps, share, shares));
    }
    store.complete(manifest(steps, parts, store.frozen(steps, model, spec)), CONF);
  }

  /** One worker's part of that. */
  CheckpointPart write(Path folder, long steps, int share, int shares) throws IOException {
    List<StateTensor> tensors =
        StateShares.of(
                tensors(),
                name -> EncoderTensors.isTrained(spec.optimizer().frozen(), name),
                shares)
            .get(share);
    try (PartWriter part =
        PartWriter.create(folder, "worker-" + (share + 1) + "#1", share, shares, tensors)) {
      for (StateTensor tensor : tensors) {
        ByteBuffer values = values(steps, tensor);
        for (int at = 0; at < values.capacity(); at += StateChunk.MAX_BYTES) {
          int bytes = Math.min(StateChunk.MAX_BYTES, values.capacity() - at);
          part.put(
              tensor.kind(), tensor.tensor().name(), at / Float.BYTES, values.slice(at, bytes));
        }
      }
      return part.finish();
    }
  }

  Manifest manifest(long steps, List<CheckpointPart> parts, Optional<CheckpointPart> frozen) {
    return new Manifest(
        spec,
        new Place(
            steps,
            1,
            2,
            new Scalars(steps - 1, 1, 0),
            1,
            List.of(new Cut(3, new MicroBatchLimit(16, 128))),
            -steps),
        new Origin(new Term(3), "0.1.0", "host-1", Instant.parse("2026-01-02T03:04:05.678Z")),
        parts,
        frozen);
  }

  /** What a checkpoint's values are, tensor by tensor. */
  public static Map<StateTensor, ByteBuffer> read(Checkpoint checkpoint, List<Tensor> tensors) {
    Map<String, Tensor> byName = new HashMap<>();
    tensors.forEach(tensor -> byName.put(tensor.name(), tensor));
    Map<StateTensor, ByteBuffer> all = new HashMap<>();
    for (Piece piece : checkpoint.pieces()) {
      Tensor tensor = byName.get(piece.tensor());
      ByteBuffer values =
          all.computeIfAbsent(
              new StateTensor(piece.kind(), tensor),
              of -> ByteBuffer.allocate((int) tensor.elements() * Float.BYTES));
      values.put(
          (int) piece.firstElement() * Float.BYTES,
          checkpoint.read(piece),
          0,
          piece.floats() * Float.BYTES);
    }
    return all;
  }

  /** What they must be. */
  public Map<StateTensor, ByteBuffer> state(long steps) {
    Map<StateTensor, ByteBuffer> all = new HashMap<>();
    for (Tensor tensor : tensors()) {
      List<Kind> kinds =
          trains(tensor)
              ? List.of(Kind.PARAMETER, Kind.FIRST_MOMENT, Kind.SECOND_MOMENT)
              : List.of(Kind.PARAMETER);
      for (Kind kind : kinds) {
        StateTensor of = new StateTensor(kind, tensor);
        all.put(of, values(steps, of));
      }
    }
    return all;
  }

  @Override
  public void close() {
    model.close();
  }
}
