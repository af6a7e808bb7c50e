package org.dunlin.conf.embed;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.tokens.Tokenizer;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.run.LossSpec.Pooling;
import org.dunlin.worker.step.Embedder;

/** {@code dunlin embed}: a line of text becomes a line of JSON, an array of numbers. */
public final class LineEmbedder {
  /** Lines that are embedded together: many enough to sort by length, few enough to stream. */
  private static final int MOST_LINES = 1024;

  private static final ObjectMapper JSON = new ObjectMapper();

  private LineEmbedder() {}

  /** Embeds all lines; gives the exit code. */
  public static int run(Path folder, InputStream texts, PrintStream vectors) {
    try (ModelFolder model = ModelFolder.open(folder);
        Tokenizer tokenizer = Tokenizer.open(folder);
        Embedder embedder =
            new Embedder(
                model,
                model.pooling().orElse(Pooling.CLS),
                model.normalizes(),
                Runtime.getRuntime().availableProcessors());
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(texts, StandardCharsets.UTF_8))) {
      List<int[]> block = new ArrayList<>();
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        block.add(tokenizer.encode(line, embedder.maxTokens()));
        if (block.size() == MOST_LINES) {
          write(embedder, block, vectors);
        }
      }
      write(embedder, block, vectors);
      return 0;
    } catch (IOException e) {
      throw Refusal.run("the texts cannot be read: " + e.getMessage(), e);
    }
  }

  private static void write(Embedder embedder, List<int[]> block, PrintStream vectors)
      throws JsonProcessingException {
    for (float[] vector : embedder.embed(block.toArray(int[][]::new), done -> {})) {
      vectors.println(JSON.writeValueAsString(vector));
    }
    block.clear();
  }
}
