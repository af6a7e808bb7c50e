package org.dunlin.worker.engine;

import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dunlin.protocol.Refusal;

/** What a failure means to a person. The log has its trace. */
public final class Failure {
  private static final Pattern ASKED = Pattern.compile("(?:allocate|reserve) (\\d+) bytes");
  private static final double GIB = 1L << 30;

  private Failure() {}

  /**
   * What failed, in one line. libtorch's messages begin with the trace of a script, and say last
   * what has happened; all others say it first.
   */
  public static String line(Throwable failure) {
    List<String> lines =
        failure.toString().lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
    boolean traced = lines.size() > 1 && failure.toString().contains("TorchScript");
    return lines.get(traced ? lines.size() - 1 : 0);
  }

  /**
   * Does a part of a step that smaller micro-batches would not help: where it is given no memory,
   * it fails with a {@link Refusal} that says so.
   *
   * @param part of the step, for the sentence
   * @throws MemoryShort as the work does
   */
  public static <T> T ofPart(String part, Supplier<T> work) {
    try {
      return work.get();
    } catch (MemoryShort e) {
      throw e;
    } catch (RuntimeException | OutOfMemoryError e) {
      if (MemoryShort.isReasonOf(e)) {
        throw Refusal.run(sentence(part, e), e);
      }
      throw e;
    }
  }

  private static String sentence(String part, Throwable failure) {
    String message = String.valueOf(failure.getMessage());
    if (message.contains("Java heap space")) {
      return "the Java heap of %s is too small for %s; raise heap-mib.worker (without workers, and where one was started by hand: -Xmx in DUNLIN_JAVA_OPTS), or lower batch.size or data.group-size"
          .formatted(gib(Runtime.getRuntime().maxMemory()), part);
    }
    Matcher asked = ASKED.matcher(message);
    return "memory ran out in %s%s, where smaller micro-batches do not help; take fewer workers on this host or fewer compute-threads, or lower batch.size or data.group-size"
        .formatted(part, asked.find() ? ", for " + gib(Long.parseLong(asked.group(1))) : "");
  }

  private static String gib(long bytes) {
    return String.format(Locale.ROOT, "%.2f GiB", bytes / GIB);
  }
}
