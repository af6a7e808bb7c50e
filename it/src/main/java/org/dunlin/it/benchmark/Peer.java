package org.dunlin.it.benchmark;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.protocol.Refusal;

/** A Python script that does one step for each line it is sent, and answers with its time. */
final class Peer implements AutoCloseable {
  private final Path script;
  private final Process process;
  private final Writer requests;
  private final BufferedReader answers;

  /**
   * Starts it and waits until it is warm.
   *
   * @param python an interpreter that has torch and transformers
   */
  Peer(String python, List<String> arguments) {
    try {
      this.script = Files.createTempFile("bench_torch", ".py");
      try (InputStream text = Peer.class.getResourceAsStream("bench_torch.py")) {
        Files.copy(text, script, StandardCopyOption.REPLACE_EXISTING);
      }
      List<String> command = new ArrayList<>(List.of(python, script.toString(), "--serve"));
      command.addAll(arguments);
      ProcessBuilder builder =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
      // What pins Dunlin's own kernels and threads is not the peer's business.
      builder.environment().keySet().removeAll(List.of("MKL_CBWR", "OMP_NUM_THREADS"));
      this.process = builder.start();
      this.requests = process.outputWriter();
      this.answers = process.inputReader();
      if (!"ready".equals(answers.readLine())) {
        close();
        throw Refusal.run(
            "%s does not run the peer (expected: a Python with torch and transformers; see CONTRIBUTING.md)"
                .formatted(python));
      }
    } catch (IOException e) {
      throw Refusal.usage("--python: " + python + " cannot be run: " + e.getMessage());
    }
  }

  /** Milliseconds of one step. */
  double step() {
    try {
      requests.write("\n");
      requests.flush();
      return Double.parseDouble(answers.readLine());
    } catch (IOException e) {
      throw new UncheckedIOException("the peer ended", e);
    }
  }

  @Override
  public void close() throws IOException {
    process.destroy();
    Files.deleteIfExists(script);
  }
}
