package org.dunlin.data.model;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.dunlin.protocol.run.LossSpec.Pooling;

/**
 * A Hugging Face model folder with a BERT or XLM-RoBERTa encoder: {@code config.json}, {@code
 * model.safetensors} or {@code pytorch_model.bin}, {@code tokenizer.json}. All of it is checked on
 * opening. Thread-safe; close it.
 */
public final class ModelFolder implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> PREFIXES = List.of("", "bert.", "roberta.", "model.");

  private final Path path;
  private final EncoderSpec encoder;
  private final FolderWeights source;
  private final WeightsFile weights;
  private final String prefix;
  private final Map<Tensor, String> names;
  private final Optional<Heads> heads;

  private ModelFolder(
      Path path,
      EncoderSpec encoder,
      FolderWeights source,
      String prefix,
      Map<Tensor, String> names,
      Optional<Heads> heads) {
    this.path = path;
    this.encoder = encoder;
    this.source = source;
    this.weights = source.file();
    this.prefix = prefix;
    this.names = names;
    this.heads = heads;
  }

  /** Opens a folder; what is missing or does not fit is a {@link Refusal}. */
  public static ModelFolder open(Path path) {
    if (!Files.isDirectory(path)) {
      throw Refusal.usage(path + ": no such folder (expected: a Hugging Face model folder)");
    }
    for (String file : List.of("config.json", "tokenizer.json")) {
      if (!Files.isReadable(path.resolve(file))) {
        throw Refusal.usage(
            path + ": has no readable " + file + " (expected: a Hugging Face model folder)");
      }
    }
    EncoderSpec encoder = encoder(path.resolve("config.json"));
    FolderWeights weights = FolderWeights.open(path);
    try {
      String prefix = prefix(weights.file());
      Map<Tensor, String> names = match(encoder, weights, prefix);
      return new ModelFolder(path, encoder, weights, prefix, names, Optional.empty());
    } catch (Refusal e) {
      weights.file().close();
      throw e;
    }
  }

  /**
   * The same folder with a sparse and a multi-vector head, for a unified run. Close it instead of
   * this one.
   *
   * @param colbertDim width of a token's vector; absent: what the head's file has, else the hidden
   *     size
   * @param seed of the run: a folder without both head files gets fresh ones drawn from it
   */
  public ModelFolder withHeads(OptionalInt colbertDim, long seed) {
    Heads opened = Heads.open(path, encoder.hidden(), colbertDim, seed);
    return new ModelFolder(path, encoder, source, prefix, names, Optional.of(opened));
  }

  /** The same folder with the heads it was saved with; one without them is a {@link Refusal}. */
  public ModelFolder withSavedHeads() {
    for (String file : List.of(Heads.SPARSE_FILE, Heads.COLBERT_FILE)) {
      if (!Files.isReadable(path.resolve(file))) {
        throw Refusal.run(
            path
                + ": has no "
                + file
                + " (expected: a model with a sparse and a multi-vector head, or to be asked for dense alone)");
      }
    }
    return withHeads(OptionalInt.empty(), 0);
  }

  /**
   * The same folder with the layers that make a pair's score of its first hidden state. Close it
   * instead of this one. A folder without them, or with several labels, is a {@link Refusal}.
   */
  public ModelFolder withClassifier() {
    if (!isReranker()) {
      throw Refusal.run(
          "%s: architecture '%s' (expected: a reranker, XLMRobertaForSequenceClassification or BertForSequenceClassification)"
              .formatted(path.resolve("config.json"), architecture()));
    }
    Map<Tensor, String> all = new LinkedHashMap<>(names);
    for (Map.Entry<Tensor, String> entry : EncoderTensors.classifier(encoder, prefix).entrySet()) {
      all.put(entry.getKey(), stored(source, entry.getKey(), entry.getValue()));
    }
    return new ModelFolder(path, encoder, source, prefix, all, heads);
  }

  /** Whether it scores pairs of texts and embeds nothing. */
  public boolean isReranker() {
    return architecture().endsWith("ForSequenceClassification");
  }

  private String architecture() {
    return readJson(path.resolve("config.json")).path("architectures").path(0).asText();
  }

  public Path path() {
    return path;
  }

  public EncoderSpec encoder() {
    return encoder;
  }

  /** Ids of the tokens that stand for no word. */
  public SpecialIds specialIds() {
    return SpecialIds.of(path, encoder.family());
  }

  /** SHA-256 of the weights' file. */
  public String weightsSha256() {
    return source.sha256();
  }

  /** Width of a token's vector; absent without heads. */
  public OptionalInt colbertDim() {
    return heads.map(present -> OptionalInt.of(present.colbertDim())).orElse(OptionalInt.empty());
  }

  /** Where the heads come from, in a sentence; absent without heads. */
  public Optional<String> headsOrigin() {
    return heads.map(Heads::origin);
  }

  /** The tensors that training needs: those of {@link EncoderTensors#expected}, then the heads'. */
  public List<Tensor> tensors() {
    return Stream.concat(names.keySet().stream(), headTensors().stream()).toList();
  }

  /** The heads' tensors; none without heads. */
  List<Tensor> headTensors() {
    return heads.map(Heads::tensors).orElse(List.of());
  }

  /** Tensors of the file that no loss uses and that a trained model keeps: the poolers. */
  public List<Tensor> carried() {
    return weights.tensors().stream()
        .filter(stored -> stored.name().startsWith(prefix + "pooler."))
        .map(stored -> new Tensor(stored.name().substring(prefix.length()), stored.shape()))
        .toList();
  }

  /** Reads values of one of {@link #tensors} or {@link #carried} as float32. */
  public void read(Tensor tensor, long firstElement, FloatBuffer into) {
    if (headTensors().contains(tensor)) {
      heads.orElseThrow().read(tensor, firstElement, into);
    } else {
      weights.read(names.getOrDefault(tensor, prefix + tensor.name()), firstElement, into);
    }
  }

  /** The pooling that sentence-transformers' files ask for, if there are any. */
  public Optional<Pooling> pooling() {
    Path file = path.resolve("1_Pooling/config.json");
    if (!Files.isReadable(file)) {
      return Optional.empty();
    }
    JsonNode config = readJson(file);
    if (config.path("pooling_mode_mean_tokens").asBoolean()) {
      return Optional.of(Pooling.MEAN);
    }
    if (config.path("pooling_mode_cls_token").asBoolean()) {
      return Optional.of(Pooling.CLS);
    }
    return config.path("pooling_mode_lasttoken").asBoolean()
        ? Optional.of(Pooling.LAST_TOKEN)
        : Optional.empty();
  }

  /**
   * Whether its embeddings are scaled to length 1: as sentence-transformers' files say, and where
   * there are none, yes.
   */
  public boolean normalizes() {
    Path file = path.resolve("modules.json");
    if (!Files.isReadable(file)) {
      return true;
    }
    for (JsonNode module : readJson(file)) {
      if (module.path("type").asText().endsWith(".Normalize")) {
        return true;
      }
    }
    return false;
  }

  @Override
  public void close() {
    weights.close();
    heads.ifPresent(Heads::close);
  }

  private static String prefix(WeightsFile weights) {
    return PREFIXES.stream()
        .filter(prefix -> weights.contains(prefix + EncoderTensors.WORD_EMBEDDINGS))
        .findFirst()
        .orElse("");
  }

  private static Map<Tensor, String> match(
      EncoderSpec encoder, FolderWeights source, String prefix) {
    Map<Tensor, String> names = new LinkedHashMap<>();
    for (Tensor tensor : EncoderTensors.expected(encoder)) {
      names.put(tensor, stored(source, tensor, prefix + tensor.name()));
    }
    return names;
  }

  /** The name under which a tensor is stored, if its shape is the expected one. */
  private static String stored(FolderWeights source, Tensor tensor, String name) {
    Optional<Tensor> found =
        source.file().tensors().stream().filter(held -> held.name().equals(name)).findFirst();
    if (found.isEmpty() || !found.get().shape().equals(tensor.shape())) {
      throw Refusal.run(
          "%s: tensor %s: found %s (expected: shape %s, from config.json)"
              .formatted(
                  source.path(),
                  name,
                  found.map(held -> "shape " + held.shape()).orElse("none"),
                  tensor.shape()));
    }
    return name;
  }

  private static EncoderSpec encoder(Path file) {
    JsonNode config = readJson(file);
    String type = config.path("model_type").asText();
    Family family =
        switch (type) {
          case "bert" -> Family.BERT;
          case "xlm-roberta" -> Family.XLM_ROBERTA;
          default ->
              throw Refusal.run(
                  file + ": model_type: '" + type + "' (expected: bert or xlm-roberta)");
        };
    mustBe(file, config, "hidden_act", "gelu");
    mustBe(file, config, "position_embedding_type", "absolute");
    try {
      return new EncoderSpec(
          family,
          integer(file, config, "vocab_size"),
          integer(file, config, "max_position_embeddings"),
          integer(file, config, "type_vocab_size"),
          integer(file, config, "hidden_size"),
          integer(file, config, "num_hidden_layers"),
          integer(file, config, "num_attention_heads"),
          integer(file, config, "intermediate_size"),
          config.path("layer_norm_eps").asDouble(1e-12),
          config.path("pad_token_id").asInt(family == Family.BERT ? 0 : 1),
          config.path("hidden_dropout_prob").asDouble(0.1),
          config.path("attention_probs_dropout_prob").asDouble(0.1));
    } catch (IllegalArgumentException e) {
      throw Refusal.run(file + ": " + e.getMessage(), e);
    }
  }

  private static void mustBe(Path file, JsonNode config, String key, String expected) {
    String value = config.path(key).asText(expected);
    if (!value.equals(expected)) {
      throw Refusal.run("%s: %s: '%s' (expected: %s)".formatted(file, key, value, expected));
    }
  }

  private static int integer(Path file, JsonNode config, String key) {
    JsonNode value = config.path(key);
    if (!value.isIntegralNumber()) {
      throw Refusal.run(
          "%s: %s: %s (expected: a whole number)"
              .formatted(file, key, value.isMissingNode() ? "missing" : value));
    }
    return value.intValue();
  }

  static JsonNode readJson(Path file) {
    try {
      return JSON.readTree(Files.readString(file));
    } catch (JsonProcessingException e) {
      throw Refusal.run(file + ": is not JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw Refusal.run(file + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
