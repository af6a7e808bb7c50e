package org.dunlin.worker.trace;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.dunlin.protocol.Refusal;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The Trace Event Format's array of complete events. A file that a kill cut short can still be
 * shown: readers do not insist on the array's end.
 */
final class ChromeTrace implements Trace {
  private static final Logger LOG = LoggerFactory.getLogger(ChromeTrace.class);

  /** About 1 GB; viewers give up before. */
  private static final long MOST_SPANS = 10_000_000;

  private final Path file;
  private final long pid = ProcessHandle.current().pid();
  private final long startNs = System.nanoTime();
  private final long startUs = TimeUnit.MILLISECONDS.toMicros(System.currentTimeMillis());
  private final JsonGenerator json;
  private final Set<Long> named = new HashSet<>();
  private long spans;
  private boolean ended;

  ChromeTrace(Path file, String process) {
    this.file = file;
    try {
      this.json = new JsonMapper().createGenerator(file.toFile(), JsonEncoding.UTF8);
      json.writeStartArray();
      name("process_name", 0, process);
    } catch (IOException e) {
      throw Refusal.run(file + ": the trace cannot be written: " + e.getMessage(), e);
    }
  }

  @Override
  public Span begin(String what) {
    long beganNs = System.nanoTime();
    return () -> write(what, beganNs, System.nanoTime());
  }

  private synchronized void write(String what, long beganNs, long endedNs) {
    if (ended) {
      return;
    }
    try {
      Thread thread = Thread.currentThread();
      if (named.add(thread.threadId())) {
        name("thread_name", thread.threadId(), thread.getName());
      }
      json.writeStartObject();
      json.writeStringField("ph", "X");
      json.writeStringField("name", what);
      json.writeNumberField("pid", pid);
      json.writeNumberField("tid", thread.threadId());
      json.writeNumberField("ts", startUs + TimeUnit.NANOSECONDS.toMicros(beganNs - startNs));
      json.writeNumberField("dur", TimeUnit.NANOSECONDS.toMicros(endedNs - beganNs));
      json.writeEndObject();
      if (++spans == MOST_SPANS) {
        LOG.warn("{} has {} spans and takes no more", file, spans);
        close();
      }
    } catch (IOException e) {
      LOG.warn("{}: the trace ends here: {}", file, e.getMessage());
      close(); // training goes on
    }
  }

  private void name(String kind, long thread, String name) throws IOException {
    json.writeStartObject();
    json.writeStringField("ph", "M");
    json.writeStringField("name", kind);
    json.writeNumberField("pid", pid);
    json.writeNumberField("tid", thread);
    json.writeObjectFieldStart("args");
    json.writeStringField("name", name);
    json.writeEndObject();
    json.writeEndObject();
  }

  @Override
  public synchronized void close() {
    if (ended) {
      return;
    }
    ended = true;
    try {
      json.close(); // ends the array too
    } catch (IOException e) {
      LOG.warn("{}: the trace's end could not be written: {}", file, e.getMessage());
    }
  }
}
