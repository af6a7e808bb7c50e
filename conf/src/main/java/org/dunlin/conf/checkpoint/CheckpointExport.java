package org.dunlin.conf.checkpoint;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import org.dunlin.conf.settings.Settings;
import org.dunlin.data.checkpoint.Checkpoint;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.ModelWriter;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk.Piece;
import org.dunlin.protocol.run.RunSpec;

/**
 * {@code dunlin export}: a Hugging Face folder of a checkpoint's weights, or of the mean of
 * several's. The mean is in double precision, in the order given, then rounded to float32 and from
 * there to the type asked for.
 */
public final class CheckpointExport {
  private final ExportRequest request;
  private final PrintStream out;

  private CheckpointExport(ExportRequest request, PrintStream out) {
    this.request = request;
    this.out = out;
  }

  /** Gives the exit code. */
  public static int run(ExportRequest request, PrintStream out) {
    if (Files.exists(request.target())) {
      throw Refusal.usage(request.target() + ": exists (expected: a new folder); choose another");
    }
    List<Checkpoint> opened = new ArrayList<>();
    try {
      for (Path folder : request.checkpoints()) {
        opened.add(Places.open(folder, out::println));
      }
      new CheckpointExport(request, out).write(opened);
      return 0;
    } finally {
      opened.forEach(Checkpoint::close);
    }
  }

  private void write(List<Checkpoint> checkpoints) {
    Checkpoint first = checkpoints.get(0);
    RunSpec spec = first.manifest().spec();
    for (Checkpoint other : checkpoints) {
      if (!EncoderTensors.expected(
              other.manifest().spec().encoder(), other.manifest().spec().heads())
          .equals(EncoderTensors.expected(spec.encoder(), spec.heads()))) {
        throw Refusal.usage(
            "%s: has other tensors than %s (expected: checkpoints of one model)"
                .formatted(other.folder(), first.folder()));
      }
    }
    String what =
        checkpoints.stream()
            .map(c -> "%s after %d steps".formatted(c.folder(), c.manifest().place().steps()))
            .collect(Collectors.joining(", "));
    out.println((checkpoints.size() == 1 ? "exporting " : "exporting the mean of ") + what);
    try (ModelFolder source = source(first);
        ModelWriter writer = writer(source, spec)) {
      for (Piece piece : first.pieces()) {
        if (piece.kind() == Kind.PARAMETER) {
          writer.put(piece.tensor(), piece.firstElement(), mean(checkpoints, piece));
        }
      }
      String sha256 = writer.finish();
      out.println("saved: " + request.target());
      out.println("SHA-256 of its model.safetensors: " + sha256);
    } catch (UncheckedIOException e) {
      throw refused(e.getCause());
    } catch (IOException e) {
      throw refused(e);
    }
  }

  private ModelWriter writer(ModelFolder source, RunSpec spec) throws IOException {
    Files.createDirectories(request.target().toAbsolutePath().getParent());
    return new ModelWriter(source, spec.loss(), request.target(), request.type().stored());
  }

  private Refusal refused(IOException e) {
    return Refusal.run(request.target() + ": cannot be written: " + e.getMessage(), e);
  }

  /** What the checkpoint has not: configuration, tokenizer and poolers. */
  private ModelFolder source(Checkpoint checkpoint) {
    RunSpec spec = checkpoint.manifest().spec();
    Path path = request.model().orElseGet(() -> modelOf(checkpoint));
    if (!Files.isDirectory(path)) {
      throw Refusal.usage(
          path
              + ": is not there, from which configuration and tokenizer are to come (expected: the model that the run started from); give --model FOLDER");
    }
    ModelFolder opened = ModelFolder.open(path);
    try {
      ModelFolder source =
          spec.heads().unified()
              ? opened.withHeads(OptionalInt.of(spec.heads().vectorWidth()), spec.seed())
              : opened;
      if (!source.tensors().equals(EncoderTensors.expected(spec.encoder(), spec.heads()))) {
        throw Refusal.run(
            "%s: has other tensors than %s (expected: the model that the run started from, or one like it)"
                .formatted(path, checkpoint.folder()));
      }
      if (request.model().isEmpty() && !source.weightsSha256().equals(spec.weightsSha256())) {
        throw Refusal.run(
            "%s: the SHA-256 of its weights is %s (expected: %s, the run's); give --model FOLDER if its configuration and tokenizer are still right"
                .formatted(path, source.weightsSha256(), spec.weightsSha256()));
      }
      return source;
    } catch (RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  private static Path modelOf(Checkpoint checkpoint) {
    return Settings.parse(checkpoint.runConf()).modelPath();
  }

  private static ByteBuffer mean(List<Checkpoint> checkpoints, Piece piece) {
    if (checkpoints.size() == 1) {
      return checkpoints.get(0).read(piece);
    }
    double[] sums = new double[piece.floats()];
    for (Checkpoint checkpoint : checkpoints) {
      ByteBuffer values = checkpoint.read(piece);
      for (int at = 0; at < sums.length; at++) {
        sums[at] += values.getFloat(at * Float.BYTES);
      }
    }
    ByteBuffer mean = ByteBuffer.allocate(sums.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (double sum : sums) {
      mean.putFloat((float) (sum / checkpoints.size()));
    }
    return mean.flip();
  }
}
