package org.dunlin.it.benchmark;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.util.ArrayList;
import java.util.List;
import org.dunlin.protocol.Refusal;

/** Processes that do together what one line asks of them. Close it: that ends them. */
final class Group implements AutoCloseable {
  private final List<Process> processes = new ArrayList<>();
  private final List<Writer> requests = new ArrayList<>();
  private final List<BufferedReader> answers = new ArrayList<>();

  Group(List<List<String>> commands) {
    try {
      for (List<String> command : commands) {
        ProcessBuilder builder =
            new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().keySet().removeAll(List.of("MKL_CBWR", "OMP_NUM_THREADS"));
        Process process = builder.start();
        processes.add(process);
        requests.add(process.outputWriter());
        answers.add(process.inputReader());
      }
    } catch (IOException e) {
      close();
      throw Refusal.usage("a process cannot be started: " + e.getMessage());
    }
  }

  /** Each one's next line. */
  List<String> hear() {
    List<String> heard = new ArrayList<>();
    for (BufferedReader reader : answers) {
      try {
        String line = reader.readLine();
        if (line == null) {
          throw Refusal.run(
              "a process of the benchmark ended (expected: an answer; for the peer a Python with torch, see CONTRIBUTING.md)");
        }
        heard.add(line);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return heard;
  }

  /** Sends all a line. */
  void tell(String line) {
    for (Writer writer : requests) {
      try {
        writer.write(line + "\n");
        writer.flush();
      } catch (IOException e) {
        throw new UncheckedIOException("a process of the benchmark ended", e);
      }
    }
  }

  /** Milliseconds of the slowest. */
  double time(String request) {
    tell(request);
    return hear().stream().mapToDouble(Double::parseDouble).max().orElseThrow();
  }

  @Override
  public void close() {
    processes.forEach(Process::destroy);
  }
}
