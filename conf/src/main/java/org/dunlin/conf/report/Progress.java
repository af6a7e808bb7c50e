package org.dunlin.conf.report;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** Shows a run to the person who started it. */
public final class Progress {
  private static final Path STANDARD_ERROR = Path.of("/proc/self/fd/2");

  private Progress() {}

  /**
   * A bar if standard error is a terminal, plain lines if not.
   *
   * @param everySteps how often there is a line, at most about one a second
   */
  public static Watcher onStandardError(long everySteps) {
    return isTerminal(STANDARD_ERROR)
        ? new ProgressOnTerminal(System.err)
        : lines(System.err, everySteps);
  }

  /** Plain lines. */
  public static Watcher lines(PrintStream out, long everySteps) {
    return new ProgressLines(out, everySteps);
  }

  // System.console() is there without a terminal from Java 22 on, and its isTerminal() only then.
  private static boolean isTerminal(Path descriptor) {
    try {
      String device = Files.readSymbolicLink(descriptor).toString();
      return device.startsWith("/dev/pts/") || device.startsWith("/dev/tty");
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }
}
