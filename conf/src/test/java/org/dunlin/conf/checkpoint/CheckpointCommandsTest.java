package org.dunlin.conf.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.dunlin.conf.launch.Job;
import org.dunlin.conf.launch.Outcome;
import org.dunlin.conf.launch.StopRequest;
import org.dunlin.conf.report.Watcher;
import org.dunlin.conf.settings.Settings;
import org.dunlin.data.checkpoint.CheckpointStore;
import org.dunlin.data.checkpoint.Manifest;
import org.dunlin.data.checkpoint.PartWriter;
import org.dunlin.data.checkpoint.StateShares;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is exported of a run's checkpoint is the model that the run itself saved there. */
class CheckpointCommandsTest {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));
  private static final long STEPS = 2;

  @TempDir static Path shared;
  @TempDir Path temp;

  private static Path run;
  private static RunSpec spec;
  private final ByteArrayOutputStream said = new ByteArrayOutputStream();

  /** Trains three heads, and puts a checkpoint of the result and of the beginning beside it. */
  @BeforeAll
  static void train() throws IOException {
    run = shared.resolve("run");
    Path model = copy(FIXTURES.resolve("model"), shared.resolve("model"));
    Settings settings =
        Settings.load(
            Optional.empty(),
            Map.of(
                "run.output",
                run,
                "model.path",
                model,
                "model.unified",
                true,
                "data.files",
                List.of(FIXTURES.resolve("train.jsonl")),
                "batch.size",
                16,
                "optimizer.learning-rate",
                0.01,
                "optimizer.warmup-steps",
                0,
                "train.steps",
                STEPS,
                "workers",
                0));
    try (Job job = Job.open(settings);
        Watcher watcher = job.watching()) {
      spec = job.spec();
      assertThat(job.runHere(1, watcher, StopRequest.byHand()))
          .isInstanceOf(Outcome.Finished.class);
    }
    CheckpointStore store = CheckpointStore.in(run.resolve(CheckpointStore.FOLDER));
    write(store, STEPS - 1, model);
    write(store, STEPS, run.resolve("model"));
  }

  @Test
  void shouldExportTheModelThatTheRunSaved() throws Exception {
    Path target = temp.resolve("new/model");
    assertThat(export(target, ExportType.FP32, run)).isZero();
    assertSameFiles(target, run.resolve("model"));
    assertThat(said.toString(StandardCharsets.UTF_8))
        .contains("exporting " + folder(STEPS) + " after 2 steps")
        .contains("saved: " + target);
  }

  @Test
  void shouldExportTheSameByAnotherModelsConfiguration() throws Exception {
    Path target = temp.resolve("model");
    Path source = copy(FIXTURES.resolve("model"), temp.resolve("source"));
    ExportRequest request =
        new ExportRequest(List.of(folder(STEPS)), target, ExportType.FP32, Optional.of(source));
    assertThat(CheckpointExport.run(request, out())).isZero();
    assertSameFiles(target, run.resolve("model"));
  }

  @Test
  void shouldRoundToSixteenBits() throws Exception {
    float[] exact = values(run.resolve("model"));
    for (ExportType type : List.of(ExportType.BF16, ExportType.FP16)) {
      Path target = temp.resolve(type.toString());
      assertThat(export(target, type, run)).isZero();
      float[] rounded = values(target);
      float[] expected = new float[exact.length];
      for (int at = 0; at < exact.length; at++) {
        expected[at] = type == ExportType.BF16 ? bf16(exact[at]) : fp16(exact[at]);
      }
      assertThat(rounded).isEqualTo(expected).isNotEqualTo(exact);
      JsonNode config = new ObjectMapper().readTree(target.resolve("config.json").toFile());
      String name = type == ExportType.BF16 ? "bfloat16" : "float16";
      assertThat(config.path("torch_dtype").asText()).isEqualTo(name);
      assertThat(config.path("dtype").asText()).isEqualTo(name); // the fixture has this one
      assertThat(config.path("hidden_size").asInt()).isEqualTo(64);
    }
  }

  @Test
  void shouldAverage() throws Exception {
    Path target = temp.resolve("mean");
    assertThat(export(target, ExportType.FP32, folder(1), folder(STEPS), folder(STEPS))).isZero();
    float[] first = values(shared.resolve("model"));
    float[] second = values(run.resolve("model"));
    float[] expected = new float[first.length];
    for (int at = 0; at < first.length; at++) {
      expected[at] = (float) (((double) first[at] + second[at] + second[at]) / 3);
    }
    assertThat(values(target)).isEqualTo(expected).isNotEqualTo(second);
  }

  @Test
  void shouldRefuseWhatCannotBeExported() {
    assertThatThrownBy(() -> export(shared, ExportType.FP32, run))
        .hasMessage(shared + ": exists (expected: a new folder); choose another");
    assertThatThrownBy(() -> export(temp.resolve("m"), ExportType.FP32, temp.resolve("no")))
        .hasMessageStartingWith(temp.resolve("no") + ": no such folder");
    assertThatThrownBy(() -> export(temp.resolve("m"), ExportType.FP32, temp))
        .hasMessageStartingWith(temp + ": holds no complete checkpoint");
    ExportRequest request =
        new ExportRequest(
            List.of(run), temp.resolve("m"), ExportType.FP32, Optional.of(temp.resolve("gone")));
    assertThatThrownBy(() -> CheckpointExport.run(request, out()))
        .hasMessageContaining("gone: is not there, from which configuration and tokenizer");
    assertThat(temp.resolve("m")).doesNotExist();
  }

  @Test
  void shouldRefuseAModelThatIsNotTheRunsAnyMore() throws Exception {
    Path weights = shared.resolve("model/model.safetensors");
    byte[] whole = Files.readAllBytes(weights);
    byte[] changed = whole.clone();
    changed[whole.length - 1] ^= 1;
    Files.write(weights, changed);
    try {
      assertThatThrownBy(() -> export(temp.resolve("m"), ExportType.FP32, run))
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("(expected: " + spec.weightsSha256() + ", the run's)");
    } finally {
      Files.write(weights, whole);
    }
  }

  @Test
  void shouldVerifyOneAndAll() {
    assertThat(CheckpointCheck.run(folder(STEPS), out())).isZero();
    assertThat(said.toString(StandardCharsets.UTF_8).lines().map(String::strip))
        .satisfiesExactly(
            line -> assertThat(line).startsWith("part-1-of-1-worker-1#1.safetensors: "),
            line -> assertThat(line).startsWith("README.md: "),
            line -> assertThat(line).startsWith("run.conf: "),
            line -> assertThat(line).startsWith(folder(STEPS) + ": after 2 of 2 steps, "));
    said.reset();
    assertThat(CheckpointCheck.run(run, out())).isZero();
    assertThat(said.toString(StandardCharsets.UTF_8).lines())
        .satisfiesExactly(
            line -> assertThat(line).startsWith(folder(1) + ": after 1 of 2 steps, "),
            line -> assertThat(line).startsWith(folder(STEPS) + ": after 2 of 2 steps, "));
  }

  @Test
  void shouldPassOverWhatTheRunRemovesMeanwhile() throws Exception {
    Path copied = temp.resolve("checkpoints");
    for (long steps = 1; steps <= STEPS; steps++) {
      copy(folder(steps), copied.resolve(folder(steps).getFileName()));
    }
    CheckpointStore store = CheckpointStore.in(copied);
    PrintStream slow =
        new PrintStream(said, true, StandardCharsets.UTF_8) {
          @Override
          public void println(String line) {
            super.println(line);
            store.dropAfter(1);
          }
        };
    assertThat(CheckpointCheck.run(copied, slow)).isZero();
    assertThat(said.toString(StandardCharsets.UTF_8).lines())
        .satisfiesExactly(
            line -> assertThat(line).startsWith(store.folder(1) + ": after 1 of 2 steps, "),
            line -> assertThat(line).startsWith(store.folder(STEPS) + ": removed meanwhile"));
  }

  @Test
  void shouldNameWhatIsBrokenAndExportTheOneBefore() throws Exception {
    Path copied = temp.resolve("run");
    for (long steps = 1; steps <= STEPS; steps++) {
      Path target = copied.resolve(CheckpointStore.FOLDER);
      Files.createDirectories(target);
      copy(folder(steps), target.resolve(folder(steps).getFileName()));
    }
    CheckpointStore store = CheckpointStore.in(copied.resolve(CheckpointStore.FOLDER));
    Path part = store.folder(STEPS).resolve("part-1-of-1-worker-1#1.safetensors");
    byte[] bytes = Files.readAllBytes(part);
    bytes[bytes.length - 1] ^= 64;
    Files.write(part, bytes);
    Files.createDirectory(store.folder(3));

    assertThatThrownBy(() -> CheckpointCheck.run(copied, out()))
        .isInstanceOfSatisfying(Refusal.class, e -> assertThat(e.kind().exitCode()).isEqualTo(1))
        .hasMessageStartingWith(part + ": second-moment.")
        .hasMessageContaining("MiB 1: CRC32C is ");
    assertThat(said.toString(StandardCharsets.UTF_8))
        .contains(store.folder(1) + ": after 1 of 2 steps")
        .contains(store.folder(STEPS) + ": BROKEN")
        .contains(store.folder(3) + ": not complete");

    Files.write(part, new byte[0]);
    said.reset();
    assertThat(export(temp.resolve("before"), ExportType.FP32, copied)).isZero();
    assertThat(values(temp.resolve("before"))).isEqualTo(values(shared.resolve("model")));
    assertThat(said.toString(StandardCharsets.UTF_8))
        .contains("checkpoint after 2 steps skipped: " + part + ": is 0 bytes long");
    assertThatThrownBy(() -> CheckpointCheck.run(store.folder(3), out()))
        .hasMessageStartingWith(store.folder(3) + ": holds no manifest.json");
  }

  private int export(Path target, ExportType type, Path... checkpoints) {
    return CheckpointExport.run(
        new ExportRequest(List.of(checkpoints), target, type, Optional.empty()), out());
  }

  private PrintStream out() {
    return new PrintStream(said, true, StandardCharsets.UTF_8);
  }

  private static Path folder(long steps) {
    return CheckpointStore.in(run.resolve(CheckpointStore.FOLDER)).folder(steps);
  }

  /** A checkpoint with the weights of a folder. */
  private static void write(CheckpointStore store, long steps, Path weights) throws IOException {
    Path folder = store.begin(steps, 0).orElseThrow();
    try (ModelFolder model = open(weights)) {
      List<StateTensor> all = StateShares.of(model.tensors(), name -> true, 1).get(0);
      CheckpointPart written;
      try (PartWriter part = PartWriter.create(folder, "worker-1#1", 0, 1, all)) {
        for (StateTensor of : all) {
          put(part, of, model);
        }
        written = part.finish();
      }
      Manifest manifest =
          new Manifest(
              spec,
              new Manifest.Place(steps, 0, 0, new Scalars(steps, 1, 0), 0, List.of(), 1),
              new Manifest.Origin(new Term(1), "0.1.0", "localhost", Instant.EPOCH),
              List.of(written),
              store.frozen(steps, model, spec));
      store.complete(manifest, Files.readString(run.resolve("run.conf")));
    }
  }

  private static void put(PartWriter part, StateTensor of, ModelFolder model) throws IOException {
    ByteBuffer values =
        ByteBuffer.allocate((int) of.tensor().elements() * Float.BYTES)
            .order(ByteOrder.LITTLE_ENDIAN);
    if (of.kind() == Kind.PARAMETER) {
      model.read(of.tensor(), 0, values.asFloatBuffer());
    }
    part.put(of.kind(), of.tensor().name(), 0, values);
  }

  private static ModelFolder open(Path folder) {
    return ModelFolder.open(folder).withHeads(OptionalInt.of(64), 42);
  }

  /** All values of the encoder, one after the other. */
  private static float[] values(Path folder) {
    try (ModelFolder model = ModelFolder.open(folder)) {
      int count = (int) model.tensors().stream().mapToLong(Tensor::elements).sum();
      FloatBuffer all =
          ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      for (Tensor tensor : model.tensors()) {
        model.read(tensor, 0, all.slice(all.position(), (int) tensor.elements()));
        all.position(all.position() + (int) tensor.elements());
      }
      float[] values = new float[count];
      all.flip().get(values);
      return values;
    }
  }

  private static float fp16(float value) {
    return Float.float16ToFloat(Float.floatToFloat16(value));
  }

  // Not as it is written: by the distance to the two neighbours.
  private static float bf16(float value) {
    float below = Float.intBitsToFloat(Float.floatToIntBits(value) & 0xffff0000);
    float above = Float.intBitsToFloat(Float.floatToIntBits(below) + 0x10000);
    double toBelow = Math.abs((double) value - below);
    double toAbove = Math.abs((double) above - value);
    boolean isEven = (Float.floatToIntBits(below) & 0x10000) == 0;
    return toBelow < toAbove || (toBelow == toAbove && isEven) ? below : above;
  }

  private static void assertSameFiles(Path found, Path expected) throws IOException {
    assertThat(files(found)).isEqualTo(files(expected)).contains("model.safetensors");
    for (String file : files(expected)) {
      assertThat(found.resolve(file)).hasSameBinaryContentAs(expected.resolve(file));
    }
  }

  private static List<String> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(Files::isRegularFile)
          .map(file -> folder.relativize(file).toString())
          .sorted()
          .toList();
    }
  }

  private static Path copy(Path from, Path to) throws IOException {
    Files.createDirectories(to);
    for (String file : files(from)) {
      Files.copy(from.resolve(file), to.resolve(file));
    }
    return to;
  }
}
