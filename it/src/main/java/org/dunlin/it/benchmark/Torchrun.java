package org.dunlin.it.benchmark;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Refusal;

/** The peer of the recovery benchmark: a run under torchrun. Close it: that ends it. */
final class Torchrun implements AutoCloseable {
  private static final long LIMIT_SECONDS = 300;
  private static final String PID = "pid ";
  private static final String STEP = "step ";

  /**
   * A step that was done.
   *
   * @param atNs when its line came
   * @param lives how often the workers were started until then
   */
  record Done(long step, long atNs, int lives) {}

  private final Path folder;
  private final Process process;
  private final BlockingQueue<Done> steps = new LinkedBlockingQueue<>();
  private final Map<Integer, Long> pids = new ConcurrentHashMap<>();

  Torchrun(String python, Path model, int workers, int every, int rows) {
    try {
      this.folder = Files.createTempDirectory("bench-torchrun");
      Path script = folder.resolve("bench_torchrun.py");
      try (InputStream text = Torchrun.class.getResourceAsStream("bench_torchrun.py")) {
        Files.copy(text, script);
      }
      ProcessBuilder builder =
          new ProcessBuilder(
              List.of(
                  python,
                  "-m",
                  "torch.distributed.run",
                  "--standalone",
                  "--nproc-per-node=" + workers,
                  "--max-restarts=1000",
                  "--monitor-interval=0.1",
                  script.toString(),
                  model.toAbsolutePath().toString(),
                  folder.toString(),
                  Integer.toString(every),
                  Integer.toString(rows)));
      builder.environment().remove("MKL_CBWR");
      builder.environment().put("OMP_NUM_THREADS", "1");
      builder.redirectError(folder.resolve("log").toFile());
      this.process = builder.start();
      Thread reader = new Thread(this::read, "torchrun-output");
      reader.setDaemon(true);
      reader.start();
    } catch (IOException e) {
      throw Refusal.usage("--python: " + python + " cannot be run: " + e.getMessage());
    }
  }

  private void read() {
    int lives = 0;
    try (BufferedReader lines = process.inputReader()) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (line.startsWith(STEP)) {
          long step = Long.parseLong(line.substring(STEP.length()));
          steps.add(new Done(step, System.nanoTime(), lives));
        } else if (line.startsWith(PID)) {
          String[] words = line.split(" ", -1);
          pids.put(Integer.parseInt(words[1]), Long.parseLong(words[2]));
          lives += words[1].equals("0") ? 1 : 0;
        }
      }
    } catch (IOException e) {
      process.destroyForcibly(); // whoever waits for a step hears of it
    }
  }

  Done next() throws InterruptedException {
    Done done = steps.poll(LIMIT_SECONDS, TimeUnit.SECONDS);
    if (done == null) {
      throw Refusal.run(
          "the peer has done no step for %d s (expected: a Python with torch and transformers; see CONTRIBUTING.md); its log is %s"
              .formatted(LIMIT_SECONDS, folder.resolve("log")));
    }
    return done;
  }

  ProcessHandle worker(int rank) {
    return ProcessHandle.of(pids.get(rank)).orElseThrow();
  }

  @Override
  public void close() throws IOException {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly().onExit().join();
    Files.walkFileTree(
        folder,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }
        });
    Files.delete(folder);
  }
}
