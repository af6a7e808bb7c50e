package org.dunlin.conf.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.retrieval.RetrievalSet;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.data.wordnet.Part;
import org.dunlin.data.wordnet.WordNet;
import org.dunlin.data.wordnet.WordNetTask;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.EncoderSpec;
import org.dunlin.protocol.run.EncoderSpec.Family;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The quickstart's two jars, as the build copied them: what is made of them, and how often. */
class QuickstartFilesTest {
  @TempDir private Path cache;

  @Test
  void makesTheModelFolderOnce() throws IOException {
    Path folder = QuickstartFiles.besideProgram(cache).model();
    try (ModelFolder model = ModelFolder.open(folder);
        Tokenizer tokenizer = Tokenizer.open(folder)) {
      assertThat(model.encoder())
          .isEqualTo(
              new EncoderSpec(Family.BERT, 30_522, 512, 2, 384, 6, 12, 1536, 1e-12, 0, 0.1, 0.1));
      assertThat(model.pooling()).contains(Pooling.MEAN);
      assertThat(model.tensors()).hasSize(5 + 16 * 6);
      assertThat(tokenizer.encode("A small bird", 128)).containsExactly(101, 1037, 2235, 4743, 102);
    }
    assertThat(Files.readString(folder.resolve("tokenizer.json")))
        .contains("\"truncation\" : null")
        .contains("\"padding\" : null");

    Path weights = folder.resolve("model.safetensors");
    FileTime made = Files.getLastModifiedTime(weights);
    assertThat(QuickstartFiles.besideProgram(cache).model()).isEqualTo(folder);
    assertThat(Files.getLastModifiedTime(weights)).isEqualTo(made);
    try (Stream<Path> left = Files.list(folder.getParent())) {
      assertThat(left).containsExactly(folder);
    }
  }

  @Test
  void writesTrainingDataWithTheLicence() throws IOException {
    QuickstartFiles files = QuickstartFiles.besideProgram(cache);
    Path category = files.trainingData(WordNetTask.CATEGORY);
    List<String> lines = Files.readAllLines(category);
    assertThat(lines)
        .hasSizeGreaterThan(50_000)
        .allMatch(line -> line.startsWith("{\"query\":\"") && line.contains("\"pos\":[\""));
    assertThat(files.trainingData(WordNetTask.CATEGORY)).isEqualTo(category);
    assertThat(category.resolveSibling("WORDNET-LICENSE.txt"))
        .content()
        .contains("Princeton University");
  }

  @Test
  void readsAllOfWordNet() {
    WordNet wordNet = WordNet.read(QuickstartFiles.besideProgram(cache).wordNetJar());
    assertThat(wordNet.synsets()).isEqualTo(117_791);
    assertThat(wordNet.keptSynsets()).isEqualTo(91_833);
    RetrievalSet category = WordNetTask.CATEGORY.heldOut(wordNet, Part.TEST);
    assertThat(category.documents()).hasSize(13_215).doesNotHaveDuplicates();
    assertThat(category.queries())
        .hasSize(1_000)
        .contains(
            "interfacial tension: surface tension at the surface separating two non-miscible"
                + " liquids");
    assertThat(category.relevances()).allSatisfy(grades -> assertThat(grades).containsValue(3));
    RetrievalSet reverse = WordNetTask.REVERSE_DICTIONARY.heldOut(wordNet, Part.TEST);
    assertThat(reverse.documents()).hasSize(21_393).doesNotHaveDuplicates();
    assertThat(reverse.queries()).hasSize(1_000);
    assertThat(reverse.relevances()).allSatisfy(grades -> assertThat(grades).containsValue(2));
  }

  @Test
  void trainsOnNothingThatItIsMeasuredOn() {
    WordNet wordNet = WordNet.read(QuickstartFiles.besideProgram(cache).wordNetJar());
    Set<String> trained = new HashSet<>();
    WordNetTask.CATEGORY.trainingPairs(wordNet).forEach(pair -> trained.add(pair.query()));
    for (Part part : List.of(Part.TEST, Part.DEV)) {
      assertThat(WordNetTask.CATEGORY.heldOut(wordNet, part).queries())
          .doesNotContainAnyElementsOf(trained);
    }
  }

  @Test
  void refusesWhereTheJarsAreMissing() {
    assertThatThrownBy(() -> new QuickstartFiles(cache, cache).model())
        .isInstanceOf(Refusal.class)
        .hasMessageContaining("all-minilm-l6-v2.jar")
        .hasMessageContaining("mvn package");
  }
}
