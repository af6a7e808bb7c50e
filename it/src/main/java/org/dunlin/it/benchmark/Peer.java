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
import java.util.Arrays;
import java.util.List;
import org.dunlin.protocol.Refusal;

/** A Python script that does something for each line it is sent, and answers with its times. */
final class Peer implements AutoCloseable {
  private final Path script;
  private final Process process;
  private final Writer requests;
  private final BufferedReader answers;

  /**
   * Starts it and waits until it is warm.
   *
   * @param python an interpreter that has torch and transformers
   * @param name of the script, without its ending, among this package's resources
   */
  Peer(String python, String name, List<String> arguments) {
    try {
      this.script = Files.createTempFile(name, ".py");
      try (InputStream text = Peer.class.getResourceAsStream(name + ".py")) {
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
    return ask("")[0];
  }

  /** What it answers to a line: milliseconds all. */
  double[] ask(String line) {
    try {
      requests.write(line + "\n");
      requests.flush();
      String answer = answers.readLine();
      if (answer == null) {
        throw Refusal.run("the peer ended; what it said is above");
      }
      return Arrays.stream(answer.split(" ", -1)).mapToDouble(Double::parseDouble).toArray();
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
