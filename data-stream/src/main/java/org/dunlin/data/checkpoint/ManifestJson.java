package org.dunlin.data.checkpoint;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.dunlin.data.checkpoint.Manifest.Cut;
import org.dunlin.data.checkpoint.Manifest.Origin;
import org.dunlin.data.checkpoint.Manifest.Place;
import org.dunlin.data.model.Sha256;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.CheckpointPart.Content;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.run.MicroBatchLimit;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.protocol.wire.RunSpecCodec;

/**
 * {@link Manifest} to JSON and back. Its last field is the SHA-256 of all the others, so that a
 * changed digit is told from a written one.
 */
final class ManifestJson {
  private static final int FORMAT = 1;

  // A checksum of a MiB takes 11 bytes: enough for a state of 6 TB.
  private static final long MAX_BYTES = 64L << 20;
  private static final HexFormat HEX = HexFormat.of();
  private static final ObjectMapper JSON =
      new ObjectMapper()
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);

  private ManifestJson() {}

  static byte[] write(Manifest manifest) {
    ObjectNode json = JSON.createObjectNode();
    Place place = manifest.place();
    json.put("format", FORMAT);
    json.put("run", manifest.spec().name());
    json.put("steps", place.steps());
    json.put("epoch", place.epoch());
    json.put("history", place.history());
    json.put("checksum", HEX.toHexDigits(place.checksum()));
    json.put("not_finite_in_a_row", place.notFiniteInARow());
    json.putObject("scalars")
        .put("updates", place.scalars().updates())
        .put("loss_scale", place.scalars().lossScale())
        .put("good_steps", place.scalars().goodSteps());
    ArrayNode cuts = json.putArray("cuts");
    for (Cut cut : place.cuts()) {
      cuts.addObject()
          .put("from_step", cut.fromStep())
          .put("min_tokens", cut.limit().minTokens())
          .put("most_tokens", cut.limit().mostTokens());
    }
    Origin origin = manifest.origin();
    json.put("term", origin.term().number());
    json.put("dunlin", origin.version());
    json.put("host", origin.host());
    json.put("written", origin.written().toString());
    byte[] spec = RunSpecCodec.bytes(manifest.spec());
    json.put("spec", Base64.getEncoder().encodeToString(spec));
    json.put("spec_sha256", sha256(spec));
    ArrayNode parts = json.putArray("parts");
    manifest.parts().forEach(part -> write(part, parts.addObject()));
    manifest.frozen().ifPresent(part -> write(part, json.putObject("frozen")));
    ObjectNode texts = json.putObject("texts");
    new TreeMap<>(manifest.texts()).forEach(texts::put);
    try {
      json.put("sha256", sha256(JSON.writeValueAsBytes(json)));
      return (JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n")
          .getBytes(StandardCharsets.UTF_8);
    } catch (JsonProcessingException e) {
      throw new AssertionError("a tree of JSON is always written", e);
    }
  }

  private static void write(CheckpointPart part, ObjectNode json) {
    json.put("file", part.file());
    json.put("bytes", part.bytes());
    json.put("sha256", part.sha256());
    ArrayNode contents = json.putArray("contents");
    for (Content content : part.contents()) {
      ObjectNode node =
          contents
              .addObject()
              .put("kind", StateTensor.word(content.kind()))
              .put("tensor", content.tensor());
      ArrayNode crcs = node.putArray("crc32c");
      Arrays.stream(content.crcs()).mapToObj(HEX::toHexDigits).forEach(crcs::add);
    }
  }

  static Manifest read(Path file) {
    try {
      long bytes = Files.size(file);
      if (bytes > MAX_BYTES) {
        throw broken(file, "is %d bytes long (expected: at most %d)".formatted(bytes, MAX_BYTES));
      }
      return read(file, JSON.readTree(Files.readAllBytes(file)));
    } catch (NoSuchFileException e) {
      throw Refusal.run(
          "%s: holds no %s: it is no checkpoint, or one that was never completed"
              .formatted(FolderName.of(file.toAbsolutePath().getParent()), file.getFileName()),
          e);
    } catch (JsonProcessingException e) {
      throw broken(file, "is not JSON: " + e.getOriginalMessage());
    } catch (IOException e) {
      throw PartFile.cannotRead(file, e);
    } catch (IllegalArgumentException | DateTimeException | ArithmeticException e) {
      throw broken(file, e.getMessage());
    }
  }

  private static Manifest read(Path file, JsonNode node) throws IOException {
    if (!(node instanceof ObjectNode json)) {
      throw broken(file, "is no JSON object");
    }
    if (number(json, "format") != FORMAT) {
      throw Refusal.run(
          "%s: is of format %d (expected: %d); read it with the Dunlin that wrote it, %s"
              .formatted(file, number(json, "format"), FORMAT, json.path("dunlin").asText()));
    }
    String sha256 = text(json, "sha256");
    json.remove("sha256");
    if (!sha256(JSON.writeValueAsBytes(json)).equals(sha256)) {
      throw broken(file, "does not have the SHA-256 that it ends with");
    }
    return manifest(json);
  }

  private static Manifest manifest(ObjectNode json) {
    List<CheckpointPart> parts = new ArrayList<>();
    json.path("parts").forEach(part -> parts.add(part(part)));
    Map<String, String> texts = new TreeMap<>();
    json.path("texts").properties().forEach(f -> texts.put(f.getKey(), f.getValue().asText()));
    return new Manifest(
        spec(json),
        place(json),
        new Origin(
            new Term(number(json, "term")),
            text(json, "dunlin"),
            text(json, "host"),
            Instant.parse(text(json, "written"))),
        parts,
        Optional.of(json.path("frozen")).filter(JsonNode::isObject).map(ManifestJson::part),
        texts);
  }

  private static RunSpec spec(JsonNode json) {
    byte[] bytes = Base64.getDecoder().decode(text(json, "spec"));
    if (!sha256(bytes).equals(text(json, "spec_sha256"))) {
      throw new IllegalArgumentException("spec does not have its SHA-256");
    }
    return RunSpecCodec.of(bytes);
  }

  private static Place place(JsonNode json) {
    JsonNode scalars = json.path("scalars");
    List<Cut> cuts = new ArrayList<>();
    for (JsonNode cut : json.path("cuts")) {
      cuts.add(
          new Cut(
              number(cut, "from_step"),
              new MicroBatchLimit(whole(cut, "min_tokens"), whole(cut, "most_tokens"))));
    }
    return new Place(
        number(json, "steps"),
        whole(json, "epoch"),
        number(json, "history"),
        new Scalars(
            number(scalars, "updates"),
            scalars.path("loss_scale").asDouble(),
            whole(scalars, "good_steps")),
        number(json, "not_finite_in_a_row"),
        cuts,
        HexFormat.fromHexDigitsToLong(text(json, "checksum")));
  }

  private static CheckpointPart part(JsonNode json) {
    List<Content> contents = new ArrayList<>();
    for (JsonNode content : json.path("contents")) {
      List<Integer> crcs = new ArrayList<>();
      content.path("crc32c").forEach(crc -> crcs.add(HexFormat.fromHexDigits(crc.asText())));
      contents.add(
          new Content(
              Kind.valueOf(text(content, "kind").toUpperCase(Locale.ROOT).replace('-', '_')),
              text(content, "tensor"),
              crcs.stream().mapToInt(Integer::intValue).toArray()));
    }
    return new CheckpointPart(
        text(json, "file"), number(json, "bytes"), text(json, "sha256"), contents);
  }

  private static String text(JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (!value.isTextual()) {
      throw new IllegalArgumentException("has no text '" + key + "'");
    }
    return value.asText();
  }

  private static long number(JsonNode json, String key) {
    JsonNode value = json.path(key);
    if (!value.isIntegralNumber() || !value.canConvertToLong()) {
      throw new IllegalArgumentException("has no whole number '" + key + "'");
    }
    return value.asLong();
  }

  private static int whole(JsonNode json, String key) {
    return Math.toIntExact(number(json, key));
  }

  static String sha256(byte[] bytes) {
    return HEX.formatHex(Sha256.digest().digest(bytes));
  }

  private static Refusal broken(Path file, String what) {
    return Refusal.run(
        "%s: %s (expected: what Dunlin wrote); the file was changed, or its disk fails: go on from an earlier checkpoint"
            .formatted(file, what));
  }
}
