package org.dunlin.conf.launch;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dunlin.conf.log.Logs;
import org.dunlin.conf.probe.HostMemory;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.wire.RunSpecCodec;
import org.dunlin.worker.engine.MemoryShort;
import org.dunlin.worker.step.MicroBatchTrial;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A process that stands like a worker before its first step and takes one micro-batch a compute
 * thread there and back: {@code RUN THREADS ROWS TOKENS MORE_BYTES MOST_BYTES}. What it finds it
 * prints as one {@link Verdict}; a process that memory ended instead has found the same.
 */
public final class ProbeProcess {
  /** What it prints when a worker's memory is in place. */
  static final String READY = "ready";

  /**
   * The exit code after a failure that memory has nothing to do with; a Java machine has others.
   */
  static final int FAILED = 3;

  private static final Logger LOG = LoggerFactory.getLogger(ProbeProcess.class);
  private static final long WATCH_NS = TimeUnit.MILLISECONDS.toNanos(5);
  private static final int MOST_BLOCK_BYTES = 1 << 30;

  /**
   * What a trial found.
   *
   * @param fits whether the micro-batches went through
   * @param bytes the process took at most, heap included that it may still take; 0: not known
   */
  record Verdict(boolean fits, long bytes) {
    private static final Pattern LINE = Pattern.compile("(fits|short) (\\d{1,18})");

    String line() {
      return (fits ? "fits " : "short ") + bytes;
    }

    /** Of a line, if it is one. */
    static Optional<Verdict> of(String line) {
      Matcher words = LINE.matcher(line);
      return words.matches()
          ? Optional.of(new Verdict(words.group(1).equals("fits"), Long.parseLong(words.group(2))))
          : Optional.empty();
    }
  }

  private final HostMemory memory = new HostMemory();
  private final PrintStream lines;
  private final List<ByteBuffer> held = new ArrayList<>();
  private final long mostBytes;

  private ProbeProcess(PrintStream lines, long mostBytes) {
    this.lines = lines;
    this.mostBytes = mostBytes;
  }

  /** Runs it and ends the process: 0 after a verdict, else {@link #FAILED}. */
  public static void main(String[] arguments) {
    Logs.toStandardError();
    PrintStream lines = CoordinatorProcess.takeStandardOutput();
    Lifeline.hold();
    try {
      RunSpec spec = RunSpecCodec.of(Base64.getDecoder().decode(arguments[0]));
      new ProbeProcess(lines, Long.parseLong(arguments[5]))
          .run(
              spec,
              Integer.parseInt(arguments[1]),
              Integer.parseInt(arguments[2]),
              Integer.parseInt(arguments[3]),
              Long.parseLong(arguments[4]));
    } catch (RuntimeException e) {
      LOG.error("failed", e);
      System.exit(FAILED);
    }
    System.exit(0);
  }

  private void run(RunSpec spec, int threads, int rows, int tokens, long moreBytes) {
    beTheFirstToGo();
    watch();
    try (MicroBatchTrial trial = new MicroBatchTrial(spec, threads)) {
      for (long left = moreBytes; left > 0; left -= MOST_BLOCK_BYTES) {
        held.add(ByteBuffer.allocateDirect((int) Math.min(left, MOST_BLOCK_BYTES)));
      }
      lines.println(READY);
      trial.run(rows, tokens);
      long peak = peakBytes();
      lines.println(new Verdict(peak <= mostBytes, peak).line());
    } catch (RuntimeException | OutOfMemoryError e) {
      if (!MemoryShort.isReasonOf(e)) {
        throw e;
      }
      LOG.info("memory ran out", e);
      lines.println(new Verdict(false, 0).line());
    }
  }

  private long peakBytes() {
    return memory.peakBytes().orElse(0) + uncommittedBytes();
  }

  /** What the heap may still take. */
  private static long uncommittedBytes() {
    return Runtime.getRuntime().maxMemory() - Runtime.getRuntime().totalMemory();
  }

  // Where memory runs out in earnest, the kernel shall end this process and nobody else's.
  private static void beTheFirstToGo() {
    try {
      Files.writeString(Path.of("/proc/self/oom_score_adj"), "1000");
    } catch (IOException e) {
      LOG.info("the kernel's choice stays as it is", e);
    }
  }

  /** Ends the trial as soon as it takes too much, before others feel it. */
  private void watch() {
    Thread watch =
        new Thread(
            () -> {
              while (true) {
                long bytes = memory.residentBytes().orElse(0) + uncommittedBytes();
                if (bytes > mostBytes) {
                  lines.println(new Verdict(false, bytes).line());
                  lines.flush();
                  Runtime.getRuntime().halt(0);
                }
                LockSupport.parkNanos(WATCH_NS);
              }
            },
            "watch");
    watch.setDaemon(true);
    watch.start();
  }
}
