package org.dunlin.data.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dunlin.protocol.run.LossSpec;

/**
 * Writes a trained model as a Hugging Face folder that transformers and sentence-transformers load:
 * the source's configuration and tokenizer, new weights, and the pooling that was trained with. A
 * unified run's heads are written as FlagEmbedding reads them.
 *
 * <p>Everything is written beside the target under a temporary name and renamed at the end: the
 * target is whole or does not exist. Not thread-safe; close it, which removes what was not
 * finished.
 */
public final class ModelWriter implements AutoCloseable {
  private static final List<String> COPIED =
      List.of(
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "vocab.txt",
          "sentencepiece.bpe.model");
  private static final String CONFIG = "config.json";
  private static final String DTYPE = "torch_dtype";

  // Older ones of transformers know the first alone, newer ones prefer the second.
  private static final List<String> DTYPES = List.of(DTYPE, "dtype");
  private static final int COPY_FLOATS = 1 << 18;

  private final ModelFolder source;
  private final LossSpec loss;
  private final Path target;
  private final Path partial;
  private final FloatType type;
  private final SafetensorsWriter weights;
  private final Map<Tensor, FloatBuffer> heads = new LinkedHashMap<>();

  /**
   * Begins a folder.
   *
   * @param source the model that training started from
   * @param loss how embeddings were made in training
   * @param target where the folder will be; must not exist, its parent must
   * @param type what weights are rounded to; the heads' own files stay float32
   */
  public ModelWriter(ModelFolder source, LossSpec loss, Path target, FloatType type)
      throws IOException {
    this.source = source;
    this.loss = loss;
    this.type = type;
    this.target = target;
    this.partial = target.resolveSibling("." + target.getFileName() + ".partial");
    delete(partial);
    Files.createDirectory(partial);
    List<Tensor> tensors = new ArrayList<>(source.tensors());
    tensors.removeAll(source.headTensors());
    source
        .headTensors()
        .forEach(head -> heads.put(head, FloatBuffer.allocate((int) head.elements())));
    tensors.addAll(source.carried());
    this.weights = new SafetensorsWriter(partial.resolve("model.safetensors"), tensors, type);
  }

  /** The same for float32. */
  public ModelWriter(ModelFolder source, LossSpec loss, Path target) throws IOException {
    this(source, loss, target, FloatType.F32);
  }

  /** Writes values of a trained tensor: little-endian float32, row-major. */
  public void put(String tensor, long firstElement, ByteBuffer values) {
    for (Map.Entry<Tensor, FloatBuffer> head : heads.entrySet()) {
      if (head.getKey().name().equals(tensor)) {
        FloatBuffer floats = values.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
        head.getValue().put((int) firstElement, floats, 0, floats.remaining());
        return;
      }
    }
    weights.put(tensor, firstElement, values);
  }

  /**
   * Completes the folder and gives it its name.
   *
   * @return SHA-256 of {@code model.safetensors}
   */
  public String finish() throws IOException {
    carry();
    weights.finish();
    weights.close();
    writeHead(Heads.COLBERT, Heads.COLBERT_FILE);
    writeHead(Heads.SPARSE, Heads.SPARSE_FILE);
    writeConfig();
    for (String name : COPIED) {
      Path file = source.path().resolve(name);
      if (Files.isRegularFile(file)) {
        Files.copy(file, partial.resolve(name), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    PoolingFiles.write(partial, source.encoder(), loss.pooling(), loss.normalize());
    try (Stream<Path> files = Files.walk(partial)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        makeDurable(file);
      }
    }
    String sha256 = Sha256.of(partial.resolve("model.safetensors"));
    Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE);
    makeDurable(target.toAbsolutePath().getParent());
    return sha256;
  }

  /** The source's, byte for byte unless it says another type than the one that was written. */
  private void writeConfig() throws IOException {
    Path file = source.path().resolve(CONFIG);
    ObjectNode config = (ObjectNode) ModelFolder.readJson(file);
    boolean wrong = false;
    for (String key : DTYPES) {
      boolean differs =
          config.hasNonNull(key) && !config.path(key).asText().equals(type.torchName());
      if (differs || (key.equals(DTYPE) && type != FloatType.F32)) {
        config.put(key, type.torchName());
        wrong = true;
      }
    }
    if (wrong) {
      Files.writeString(partial.resolve(CONFIG), config.toPrettyString() + "\n");
    } else {
      Files.copy(file, partial.resolve(CONFIG), StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** Each head in a file of its own, as FlagEmbedding looks for them. */
  private void writeHead(String head, String file) throws IOException {
    Map<Tensor, FloatBuffer> own = new LinkedHashMap<>();
    heads.forEach(
        (tensor, values) -> {
          if (tensor.name().startsWith(head + ".")) {
            String name = tensor.name().substring(head.length() + 1);
            own.put(new Tensor(name, tensor.shape()), values);
          }
        });
    if (!own.isEmpty()) {
      TorchWriter.write(partial.resolve(file), own);
    }
  }

  private void carry() {
    for (Tensor tensor : source.carried()) {
      for (long first = 0; first < tensor.elements(); first += COPY_FLOATS) {
        int floats = (int) Math.min(COPY_FLOATS, tensor.elements() - first);
        FloatBuffer values = FloatBuffer.allocate(floats);
        source.read(tensor, first, values);
        weights.put(tensor.name(), first, values.flip());
      }
    }
  }

  private static void makeDurable(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  @Override
  public void close() throws IOException {
    weights.close();
    delete(partial);
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
