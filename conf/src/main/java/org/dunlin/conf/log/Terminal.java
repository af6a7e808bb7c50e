package org.dunlin.conf.log;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;

/**
 * Shows Dunlin's own warnings and anybody's errors, a line each. A library's warnings stay in the
 * file: Pekko has several for every worker that dies, and the run survives that. Made by
 * logback.xml.
 */
public final class Terminal extends AppenderBase<ILoggingEvent> {

  @Override
  protected void append(ILoggingEvent event) {
    boolean own = event.getLoggerName().startsWith("org.dunlin.");
    boolean shown = event.getLevel().isGreaterOrEqual(own ? Level.WARN : Level.ERROR);
    boolean fileOnly =
        event.getMarkerList() != null && event.getMarkerList().contains(Logs.FILE_ONLY);
    if (shown && !fileOnly) {
      String kind = event.getLevel().equals(Level.WARN) ? "warning: " : "error: ";
      System.err.println(kind + event.getFormattedMessage().replaceAll("\\s*\\R\\s*", " "));
    }
  }
}
