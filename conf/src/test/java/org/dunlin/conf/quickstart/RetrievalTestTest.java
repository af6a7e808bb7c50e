package org.dunlin.conf.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicInteger;
import org.dunlin.data.wordnet.Part;
import org.dunlin.data.wordnet.WordNetTask;
import org.dunlin.worker.evaluate.RetrievalMetrics;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The untrained model's figures against those of ONNX Runtime on the same queries. */
class RetrievalTestTest {
  @TempDir private Path cache;

  @Test
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
}
