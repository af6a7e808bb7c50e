package org.dunlin.it.parity;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A folder of reference values; its README says what each file holds. */
record GoldenSet(Path folder, int groupSize, List<Batch> batches, List<GoldenConfig> configs) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * One explicit batch.
   *
   * @param queries token ids, {@code [queries][tokens]}
   * @param passages token ids, {@code [queries * groupSize][tokens]}, the positive first
   * @param teacherScores {@code [queries * groupSize]}
   */
  record Batch(int[][] queries, int[][] passages, float[] teacherScores) {}

  /** The set that {@code dunlin.fixtures} names. */
  static GoldenSet open() {
    Path folder = root();
    JsonNode batches = read(folder.resolve("batches.json"));
    List<Batch> all =
        stream(batches.path("batches"))
            .map(
                b ->
                    new Batch(
                        ids(b.path("query_ids")),
                        ids(b.path("passage_ids")),
                        floats(b.path("teacher_scores"))))
            .toList();
    List<GoldenConfig> configs;
    try (Stream<Path> files = Files.list(folder.resolve("configs"))) {
      configs =
          files
              .filter(file -> file.toString().endsWith(".json"))
              .filter(file -> !file.getFileName().toString().equals("INDEX.json"))
              .sorted()
              .map(file -> new GoldenConfig(read(file)))
              .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": no configurations", e);
    }
    return new GoldenSet(folder, batches.path("train_group_size").asInt(), all, configs);
  }

  /** Its folder. */
  static Path root() {
    return Path.of(System.getProperty("dunlin.fixtures", "")).toAbsolutePath();
  }

  /** One of its files of recorded values. */
  static JsonNode recorded(String file) {
    return read(root().resolve(file));
  }

  GoldenConfig config(String name) {
    return configs.stream()
        .filter(config -> config.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("there is no configuration " + name));
  }

  static JsonNode read(Path file) {
    try {
      return JSON.readTree(file.toFile());
    } catch (IOException e) {
      throw new UncheckedIOException("-Ddunlin.fixtures: " + file + " cannot be read", e);
    }
  }

  static Stream<JsonNode> stream(JsonNode array) {
    return Stream.iterate(0, i -> i < array.size(), i -> i + 1).map(array::get);
  }

  static float[] floats(JsonNode numbers) {
    float[] floats = new float[numbers.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) numbers.get(i).asDouble();
    }
    return floats;
  }

  static int[] row(JsonNode ids) {
    return stream(ids).mapToInt(JsonNode::asInt).toArray();
  }

  private static int[][] ids(JsonNode rows) {
    return stream(rows).map(GoldenSet::row).toArray(int[][]::new);
  }
}
