package org.dunlin.conf.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.dunlin.conf.evaluate.RetrievalTest;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.wordnet.Part;
import org.dunlin.data.wordnet.WordNetTask;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.evaluate.RetrievalMetrics;
import org.dunlin.worker.step.Embedder;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The untrained model's figures against those of ONNX Runtime on the same queries. */
class RetrievalTestTest {
  @TempDir private Path cache;

  @Test
  @Tag("long") // embeds 14 000 texts
  void measuresTheModelThatComesAlong() {
    QuickstartFiles files = QuickstartFiles.besideProgram(cache);
    RetrievalTest test =
        new RetrievalTest(
            files.heldOut(WordNetTask.REVERSE_DICTIONARY, Part.TEST), files.queryPrefix());
    AtomicInteger done = new AtomicInteger();
    RetrievalMetrics found =
        test.measure(files.model(), 2, texts -> done.accumulateAndGet(texts, Math::max));
    assertThat(done).hasValue(test.texts());
    assertThat(100 * found.ndcg10()).isCloseTo(26.85, within(0.1));
    assertThat(100 * found.gradedNdcg10()).isCloseTo(33.58, within(0.1));
    assertThat(100 * found.hit10()).isCloseTo(42.8, within(0.2));
  }

  @Test
  void embedsAlikeOnAnyNumberOfThreads() {
    Random random = new Random(7);
    int[][] texts = new int[300][];
    for (int t = 0; t < texts.length; t++) {
      texts[t] = random.ints(random.nextInt(1, 129), 1, 30_000).toArray();
    }
    try (ModelFolder model = ModelFolder.open(QuickstartFiles.besideProgram(cache).model())) {
      float[][][] found = new float[2][][];
      for (int i = 0; i < found.length; i++) {
        try (Embedder embedder = new Embedder(model, Pooling.CLS, true, 1 + 2 * i)) {
          found[i] = embedder.embed(texts, done -> {});
        }
      }
      assertThat(found[1]).isDeepEqualTo(found[0]);
      for (float[] embedding : found[0]) {
        double norm = 0;
        for (float value : embedding) {
          norm += value * value;
        }
        assertThat(norm).isCloseTo(1, within(1e-5));
      }
    }
  }
}
