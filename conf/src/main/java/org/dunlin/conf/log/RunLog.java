package org.dunlin.conf.log;

import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.FileAppender;
import ch.qos.logback.core.OutputStreamAppender;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;
import org.dunlin.protocol.Refusal;

/** Remembers log lines until it is given a file, then writes them there. Made by logback.xml. */
public final class RunLog extends AppenderBase<ILoggingEvent> {
  /** Some thousand lines come before a run's folder only if something loops. */
  private static final int MOST_REMEMBERED = 1000;

  private static final String PATTERN =
      "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5level [%thread] %logger{40}: %msg%n";

  private final Queue<ILoggingEvent> remembered = new ArrayDeque<>();
  private Optional<OutputStreamAppender<ILoggingEvent>> appender = Optional.empty();

  @Override
  protected synchronized void append(ILoggingEvent event) {
    if (appender.isPresent()) {
      appender.get().doAppend(event);
    } else if (remembered.size() < MOST_REMEMBERED) {
      event.prepareForDeferredProcessing();
      remembered.add(event);
    }
  }

  synchronized void open(Path file) {
    FileAppender<ILoggingEvent> opened = new FileAppender<>();
    opened.setFile(file.toString());
    start(opened);
    if (!opened.isStarted()) {
      throw Refusal.usage(file + ": the log file cannot be written (expected: a writable folder)");
    }
    use(opened);
  }

  synchronized void openStandardError() {
    ConsoleAppender<ILoggingEvent> opened = new ConsoleAppender<>();
    opened.setTarget("System.err");
    start(opened);
    use(opened);
  }

  synchronized Optional<Path> file() {
    return appender
        .filter(FileAppender.class::isInstance)
        .map(opened -> Path.of(((FileAppender<?>) opened).getFile()));
  }

  private void start(OutputStreamAppender<ILoggingEvent> opened) {
    PatternLayoutEncoder encoder = new PatternLayoutEncoder();
    encoder.setContext(getContext());
    encoder.setPattern(PATTERN);
    encoder.start();
    opened.setContext(getContext());
    opened.setEncoder(encoder);
    opened.start();
  }

  private void use(OutputStreamAppender<ILoggingEvent> opened) {
    appender.ifPresent(OutputStreamAppender::stop);
    appender = Optional.of(opened);
    remembered.forEach(opened::doAppend);
    remembered.clear();
  }

  @Override
  public synchronized void stop() {
    appender.ifPresent(OutputStreamAppender::stop);
    super.stop();
  }
}
