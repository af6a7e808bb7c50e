package org.dunlin.data.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.EncoderSpec.Family;

/**
 * Ids of the tokens that stand for no word: the sparse head gives them no weight.
 *
 * @param cls what a text begins with
 * @param eos what it ends with; BERT's separator
 * @param pad what it is filled up with
 * @param unk what stands for a piece that is not in the vocabulary
 */
public record SpecialIds(int cls, int eos, int pad, int unk) {

  /**
   * The tokens' names come from {@code tokenizer_config.json}, else {@code
   * special_tokens_map.json}, else the family's custom; their ids from {@code tokenizer.json}.
   */
  static SpecialIds of(Path folder, Family family) {
    Optional<JsonNode> config = json(folder.resolve("tokenizer_config.json"));
    Optional<JsonNode> map = json(folder.resolve("special_tokens_map.json"));
    boolean bert = family == Family.BERT;
    Map<String, Integer> ids = addedTokens(folder.resolve("tokenizer.json"));
    String cls = name(config, map, "cls_token").orElse(bert ? "[CLS]" : "<s>");
    String eos =
        name(config, map, "eos_token")
            .or(() -> name(config, map, "sep_token"))
            .orElse(bert ? "[SEP]" : "</s>");
    String pad = name(config, map, "pad_token").orElse(bert ? "[PAD]" : "<pad>");
    String unk = name(config, map, "unk_token").orElse(bert ? "[UNK]" : "<unk>");
    return new SpecialIds(
        id(folder, ids, cls), id(folder, ids, eos), id(folder, ids, pad), id(folder, ids, unk));
  }

  private static Optional<String> name(
      Optional<JsonNode> config, Optional<JsonNode> map, String key) {
    return text(config, key).or(() -> text(map, key));
  }

  /** A token is a text, or an object with its content. */
  private static Optional<String> text(Optional<JsonNode> file, String key) {
    return file.map(json -> json.path(key))
        .map(token -> token.isObject() ? token.path("content") : token)
        .filter(JsonNode::isTextual)
        .map(JsonNode::asText);
  }

  private static int id(Path folder, Map<String, Integer> ids, String token) {
    Integer id = ids.get(token);
    if (id == null) {
      throw Refusal.run(
          folder.resolve("tokenizer.json") + ": has no special token '" + token + "'");
    }
    return id;
  }

  /** Read as a stream: the vocabulary beside them has hundreds of thousands of pieces. */
  private static Map<String, Integer> addedTokens(Path file) {
    Map<String, Integer> ids = new HashMap<>();
    try (JsonParser parser = new JsonFactory().createParser(Files.newInputStream(file))) {
      parser.setCodec(new ObjectMapper());
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean added = parser.currentName().equals("added_tokens");
        parser.nextToken();
        if (added) {
          JsonNode tokens = parser.readValueAsTree();
          tokens.forEach(
              token -> ids.put(token.path("content").asText(), token.path("id").asInt()));
        } else {
          parser.skipChildren();
        }
      }
      return ids;
    } catch (IOException e) {
      throw Refusal.run(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static Optional<JsonNode> json(Path file) {
    return Files.isReadable(file) ? Optional.of(ModelFolder.readJson(file)) : Optional.empty();
  }
}
