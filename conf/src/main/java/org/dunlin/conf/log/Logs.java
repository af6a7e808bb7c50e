package org.dunlin.conf.log;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.LoggerFactory;
import org.slf4j.Marker;
import org.slf4j.MarkerFactory;

/** This process's log file. Thread-safe. */
public final class Logs {
  /** Marks what the terminal is told in other words. */
  public static final Marker FILE_ONLY = MarkerFactory.getMarker("file-only");

  private Logs() {}

  /**
   * From now on logs to a file, at its end if it exists, and first what was remembered until now.
   *
   * @param file as {@code dunlin.log} in the run folder
   * @throws org.dunlin.protocol.Refusal if it cannot be written; the old file is then kept
   */
  public static void toFile(Path file) {
    runLog().orElseThrow(Logs::notOurs).open(file);
  }

  /** The same for a child process, whose standard error is its log file: it has no terminal. */
  public static void toStandardError() {
    runLog().orElseThrow(Logs::notOurs).openStandardError();
    rootLogger().detachAppender("terminal");
  }

  /** The file, if there is one yet. */
  public static Optional<Path> file() {
    return runLog().flatMap(RunLog::file);
  }

  private static Optional<RunLog> runLog() {
    return rootLogger().getAppender("run") instanceof RunLog log
        ? Optional.of(log)
        : Optional.empty();
  }

  private static Logger rootLogger() {
    return ((LoggerContext) LoggerFactory.getILoggerFactory()).getLogger(Logger.ROOT_LOGGER_NAME);
  }

  private static IllegalStateException notOurs() {
    return new IllegalStateException("the log is not set up by Dunlin's own logback.xml");
  }
}
