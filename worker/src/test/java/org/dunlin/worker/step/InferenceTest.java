package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.model.SafetensorsFile;
import org.dunlin.data.model.SafetensorsWriter;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.tokens.TokenPair;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.evaluate.PairScores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is computed in batches is what each text alone has, and scores are what they say. */
class InferenceTest {
  private static final Path FIXTURES = Path.of(System.getProperty("dunlin.fixtures"));
  private static final int TEXTS = 13;
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  @Test
  void shouldGiveATextTheSameEmbeddingsAloneAndInABatch() {
    try (Embedder embedder = open()) {
      int[][] texts = texts(1, embedder.maxTokens());
      Embedding[] together = embedder.embedAll(texts);
      for (int t = 0; t < TEXTS; t++) {
        Embedding alone = embedder.embedAll(new int[][] {texts[t]})[0];
        assertThat(together[t].dense()).containsExactly(alone.dense(), within(1e-5f));
        assertThat(together[t].lexical().keySet()).isEqualTo(alone.lexical().keySet());
        assertThat(together[t].vectors().length).isEqualTo(texts[t].length - 1);
        for (int v = 0; v < alone.vectors().length; v++) {
          assertThat(together[t].vectors()[v]).containsExactly(alone.vectors()[v], within(1e-5f));
        }
      }
    }
  }

  /** Fresh heads of width 2: many products of vectors are below 0. */
  @Test
  void shouldLetPaddingCountInMaxSimOnlyWhereItIsAskedFor() throws IOException {
    for (String file : List.of("config.json", "tokenizer.json", "model.safetensors")) {
      Files.copy(FIXTURES.resolve("model").resolve(file), folder.resolve(file));
    }
    try (ModelFolder model = ModelFolder.open(folder).withHeads(OptionalInt.of(2), 1);
        Embedder embedder = new Embedder(model, Pooling.CLS, true, 2)) {
      int[][] queries = texts(3, 5);
      int[][] passages = texts(4, 9);
      int longest = Arrays.stream(passages).mapToInt(ids -> ids.length).max().orElseThrow();
      Embedding[] q = embedder.embedAll(queries);
      Embedding[] p = embedder.embedAll(passages);
      List<PairScores> plain = embedder.score(queries, passages, false);
      List<PairScores> padded = embedder.score(queries, passages, true);
      int others = 0;
      for (int pair = 0; pair < TEXTS; pair++) {
        boolean shorter = passages[pair].length < longest;
        double expected = maxSim(q[pair].vectors(), p[pair].vectors(), shorter);
        assertThat(padded.get(pair).colbert()).isCloseTo(expected, within(1e-5));
        double without = maxSim(q[pair].vectors(), p[pair].vectors(), false);
        assertThat(plain.get(pair).colbert()).isCloseTo(without, within(1e-5));
        others += expected > without + 1e-3 ? 1 : 0;
      }
      assertThat(others).as("scores that padding changes").isPositive();
    }
  }

  @Test
  void shouldTellABertRerankersSecondTextByItsType() throws IOException {
    int[] ids = {0, 5, 6, 2, 7, 8, 2};
    float firstType = score(bertReranker("one", 0.3f, -0.7f), new TokenPair(ids, ids.length));
    float secondType = score(bertReranker("two", -0.7f, 0.3f), new TokenPair(ids, 0));
    float both = score(bertReranker("both", 0.3f, -0.7f), new TokenPair(ids, 4));

    // A type is added as its difference to the first one: another rounding of scores around 10.
    assertThat(secondType).isCloseTo(firstType, within(1e-4f));
    assertThat(both).isNotCloseTo(firstType, within(1e-3f));
  }

  private static float score(Path folder, TokenPair pair) {
    try (ModelFolder model = ModelFolder.open(folder);
        Reranker reranker = new Reranker(model.withClassifier(), 1)) {
      return reranker.score(new TokenPair[] {pair})[0];
    }
  }

  /** The XLM-RoBERTa reranker under BERT's names, with two token types, each ramp * (0, 1, ...). */
  private Path bertReranker(String name, float... ramps) throws IOException {
    Path source = FIXTURES.resolve("reranker");
    Path copy = Files.createDirectory(folder.resolve(name));
    Files.copy(source.resolve("tokenizer.json"), copy.resolve("tokenizer.json"));
    ObjectNode config = (ObjectNode) JSON.readTree(source.resolve("config.json").toFile());
    config.put("model_type", "bert").put("type_vocab_size", ramps.length);
    config.putArray("architectures").add("BertForSequenceClassification");
    JSON.writeValue(copy.resolve("config.json").toFile(), config);
    try (SafetensorsFile from = SafetensorsFile.open(source.resolve("model.safetensors"))) {
      Map<String, float[]> values = new LinkedHashMap<>();
      List<Tensor> tensors = new ArrayList<>();
      for (Tensor tensor : from.tensors()) {
        float[] own = new float[Math.toIntExact(tensor.elements())];
        from.read(tensor.name(), 0, FloatBuffer.wrap(own));
        List<Long> shape = tensor.shape();
        if (tensor.name().contains("token_type")) {
          int width = own.length;
          own = new float[ramps.length * width];
          for (int i = 0; i < own.length; i++) {
            own[i] = ramps[i / width] * (i % width);
          }
          shape = List.of((long) ramps.length, (long) width);
        }
        Tensor renamed = new Tensor(bertName(tensor.name()), shape);
        tensors.add(renamed);
        values.put(renamed.name(), own);
      }
      try (SafetensorsWriter to =
          new SafetensorsWriter(copy.resolve("model.safetensors"), tensors)) {
        for (Tensor tensor : tensors) {
          to.put(tensor.name(), 0, FloatBuffer.wrap(values.get(tensor.name())));
        }
        to.finish();
      }
    }
    return copy;
  }

  private static String bertName(String name) {
    return name.replace("roberta.", "bert.")
        .replace("classifier.dense", "bert.pooler.dense")
        .replace("classifier.out_proj", "classifier");
  }

  private static double maxSim(float[][] query, float[][] passage, boolean floor) {
    double sum = 0;
    for (float[] q : query) {
      double best =
          Arrays.stream(passage).mapToDouble(p -> PairScores.product(q, p)).max().orElse(0);
      sum += floor ? Math.max(best, 0) : best;
    }
    return sum / query.length;
  }

  private static Embedder open() {
    try (ModelFolder model = ModelFolder.open(FIXTURES.resolve("model")).withSavedHeads()) {
      return new Embedder(model, Pooling.CLS, true, 2);
    }
  }

  private static int[][] texts(long seed, int most) {
    SplittableRandom random = new SplittableRandom(seed);
    return IntStream.range(0, TEXTS)
        .mapToObj(
            t -> {
              int[] ids = random.ints(random.nextInt(2, most + 1), 4, 1000).toArray();
              ids[0] = 0;
              ids[ids.length - 1] = 2;
              return ids;
            })
        .toArray(int[][]::new);
  }
}
