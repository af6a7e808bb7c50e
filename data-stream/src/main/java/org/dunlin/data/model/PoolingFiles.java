package org.dunlin.data.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.LossSpec.Pooling;

/**
 * The files that tell sentence-transformers how hidden states become an embedding. Without them the
 * library falls back to mean pooling; FlagEmbedding forgets them.
 */
public final class PoolingFiles {
  private PoolingFiles() {}

  /** Writes them into a folder that has none. */
  public static void write(Path folder, EncoderSpec encoder, Pooling how, boolean normalize)
      throws IOException {
    ObjectMapper json = new ObjectMapper();
    ArrayNode modules = json.createArrayNode();
    module(modules, "", "Transformer");
    module(modules, "1_Pooling", "Pooling");
    if (normalize) {
      module(modules, "2_Normalize", "Normalize");
      Files.createDirectory(folder.resolve("2_Normalize"));
    }
    ObjectNode pooling = json.createObjectNode();
    pooling.put("word_embedding_dimension", encoder.hidden());
    pooling.put("pooling_mode_cls_token", how == Pooling.CLS);
    pooling.put("pooling_mode_mean_tokens", how == Pooling.MEAN);
    pooling.put("pooling_mode_max_tokens", false);
    pooling.put("pooling_mode_mean_sqrt_len_tokens", false);
    pooling.put("pooling_mode_lasttoken", how == Pooling.LAST_TOKEN);
    ObjectNode transformer = json.createObjectNode();
    transformer.put("max_seq_length", encoder.maxTokens());
    transformer.put("do_lower_case", false);
    Files.createDirectory(folder.resolve("1_Pooling"));
    write(json, folder.resolve("modules.json"), modules);
    write(json, folder.resolve("1_Pooling/config.json"), pooling);
    write(json, folder.resolve("sentence_bert_config.json"), transformer);
  }

  private static void module(ArrayNode modules, String folder, String type) {
    int index = modules.size();
    modules
        .addObject()
        .put("idx", index)
        .put("name", Integer.toString(index))
        .put("path", folder)
        .put("type", "sentence_transformers.models." + type);
  }

  private static void write(ObjectMapper json, Path file, Object content) throws IOException {
    Files.writeString(
        file, json.writerWithDefaultPrettyPrinter().writeValueAsString(content) + "\n");
  }
}
