package org.dunlin.conf.launch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.dunlin.conf.checkpoint.CheckpointExport;
import org.dunlin.conf.checkpoint.ExportRequest;
import org.dunlin.conf.checkpoint.ExportType;
import org.dunlin.conf.evaluate.DevLoss;
import org.dunlin.conf.evaluate.Metric;
import org.dunlin.conf.evaluate.RetrievalTest;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.settings.Settings;
import org.dunlin.data.checkpoint.FolderName;
import org.dunlin.data.model.ModelFolder;
import org.dunlin.data.samples.SampleFiles;
import org.dunlin.protocol.Refusal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A process that measures one checkpoint of a run as {@code dunlin evaluate} measures the model
 * that {@code dunlin export} makes of it: {@code RUN_FOLDER CHECKPOINT THREADS}. It prints a line
 * now and then, so that one that hangs is noticed, and at the end a {@link Word}.
 */
public final class EvaluationProcess {
  /** Where the model lies meanwhile, in the run folder. */
  static final String FOLDER = ".evaluation";

  /** The exit code after a failure without a sentence for a person. */
  static final int FAILED = 3;

  /** What a loss that is measured has otherwise than one that is trained by. */
  private static final Map<String, Object> AS_IT_IS =
      Map.of(
          "model.hidden-dropout", 0,
          "model.attention-dropout", 0,
          "loss.self-distillation-start-step", -1);

  private static final Logger LOG = LoggerFactory.getLogger(EvaluationProcess.class);
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What it says: what it found, or why it cannot. */
  sealed interface Word {
    /** By name. */
    record Figures(Map<String, Double> figures) implements Word {}

    /** Another attempt would come to the same. */
    record Refused(String sentence) implements Word {}

    /** It is alive. */
    record Alive() implements Word {}

    /** Of a line; what is not ours means that it is alive, too. */
    static Word of(String line) {
      try {
        if (line.startsWith("figures ")) {
          return new Figures(
              JSON.readValue(line.substring("figures ".length()), new TypeReference<>() {}));
        }
      } catch (JsonProcessingException e) {
        LOG.warn("an evaluation printed {}", line, e);
      }
      return line.startsWith("refused ")
          ? new Refused(line.substring("refused ".length()))
          : new Alive();
    }
  }

  private EvaluationProcess() {}

  /** Runs it and ends the process: 0 after a word, else {@link #FAILED}. */
  public static void main(String[] arguments) {
    Logs.toStandardError();
    PrintStream lines = CoordinatorProcess.takeStandardOutput();
    Lifeline.hold();
    try {
      run(
          Path.of(arguments[0]),
          FolderName.path(arguments[1]),
          Integer.parseInt(arguments[2]),
          lines);
    } catch (Refusal e) {
      LOG.error("refused", e);
      lines.println("refused " + e.getMessage());
    } catch (IOException | RuntimeException e) {
      LOG.error("failed", e);
      System.exit(FAILED);
    }
    System.exit(0);
  }

  private static void run(Path runFolder, Path checkpoint, int threads, PrintStream lines)
      throws IOException {
    Path runConf = runFolder.resolve(RunFolder.SETTINGS);
    Settings settings = Settings.load(Optional.of(runConf), Map.of());
    Optional<RetrievalTest> test =
        settings
            .evaluationFiles()
            .map(files -> new RetrievalTest(files.read(), settings.evaluationForm()));
    Path folder = runFolder.resolve(FOLDER);
    remove(folder); // one that died may have left its own
    Path model = folder.resolve(Long.toString(ProcessHandle.current().pid()));
    try {
      CheckpointExport.run(
          new ExportRequest(
              List.of(checkpoint), model, ExportType.FP32, Optional.of(settings.modelPath())),
          lines);
      Map<String, Double> figures = new LinkedHashMap<>();
      test.ifPresent(
          one ->
              figures.putAll(
                  Metric.figures(
                      one.measure(model, threads, done -> lines.println("embedded " + done)))));
      if (!settings.evaluationData().isEmpty()) {
        figures.put(Metric.LOSS.toString(), loss(runConf, model, threads, lines));
      }
      lines.println("figures " + JSON.writeValueAsString(figures));
    } finally {
      remove(folder);
    }
  }

  private static double loss(Path runConf, Path model, int threads, PrintStream lines) {
    Settings settings = Settings.load(Optional.of(runConf), AS_IT_IS);
    try (ModelFolder folder = settings.withHeads(ModelFolder.open(model));
        SampleFiles samples = SampleFiles.open(settings.evaluationData())) {
      return DevLoss.measure(
          folder,
          samples,
          settings.runSpec(folder, 1, samples.sha256()),
          threads,
          1 + Math.max(1, settings.workers()),
          done -> lines.println("step " + done));
    }
  }

  private static void remove(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> all = Files.walk(folder)) {
        for (Path file : all.sorted(Comparator.reverseOrder()).toList()) {
          Files.deleteIfExists(file);
        }
      }
    }
  }
}
