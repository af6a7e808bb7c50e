package org.dunlin.conf.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.protocol.Refusal;

/**
 * {@code metrics.jsonl}: one JSON object a committed step, and one an evaluation, which has {@code
 * evaluated_steps} instead of {@code step}. A loss or norm that is no number is the string {@code
 * "NaN"}, {@code "Infinity"} or {@code "-Infinity"}, because JSON has none of them.
 */
public final class MetricsLog implements Watcher {
  public static final String NAME = "metrics.jsonl";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path path;
  private final BufferedWriter lines;

  /**
   * @param goesOn whether the lines of the run so far stay
   */
  public MetricsLog(Path runFolder, boolean goesOn) {
    this.path = runFolder.resolve(NAME);
    try {
      this.lines =
          Files.newBufferedWriter(
              path,
              StandardOpenOption.CREATE,
              goesOn ? StandardOpenOption.APPEND : StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw refused(e);
    }
  }

  @Override
  public void accept(RunEvent event) {
    if (event instanceof RunEvent.StepCommitted step) {
      write(line(step));
    }
    if (event instanceof RunEvent.Evaluated found) {
      write(line(found));
    }
  }

  private static ObjectNode line(RunEvent.Evaluated found) {
    ObjectNode line = JSON.createObjectNode().put("evaluated_steps", found.steps());
    found.figures().forEach(line::put);
    return line.put("best", found.isBest()).put("seconds", found.seconds());
  }

  private static ObjectNode line(RunEvent.StepCommitted step) {
    return JSON.createObjectNode()
        .put("step", step.step())
        .put("epoch", step.epoch())
        .put("loss", step.loss())
        .put("gradient_norm", step.gradientNorm())
        .put("learning_rate", step.learningRate())
        .put("applied", step.applied())
        .put("loss_scale", step.lossScale())
        .put("not_finite_in_a_row", step.notFinite())
        .put("pairs", step.pairs())
        .put("tokens", step.tokens())
        .put("padded_tokens", step.paddedTokens())
        .put("seconds", step.seconds())
        .put("pairs_per_second", step.pairs() / step.seconds())
        .put("tokens_per_second", step.tokens() / step.seconds());
  }

  // Flushed a line, so that it can be followed while the run goes on and survives its end.
  private void write(ObjectNode line) {
    try {
      lines.write(JSON.writeValueAsString(line));
      lines.write('\n');
      lines.flush();
    } catch (IOException e) {
      throw refused(e);
    }
  }

  private Refusal refused(IOException e) {
    return Refusal.run(path + ": cannot be written: " + e.getMessage(), e);
  }

  @Override
  public void close() {
    try {
      lines.close();
    } catch (IOException e) {
      throw refused(e);
    }
  }
}
