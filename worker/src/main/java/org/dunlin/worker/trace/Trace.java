package org.dunlin.worker.trace;

import java.nio.file.Path;
import java.util.function.Supplier;

/**
 * Takes down what threads do, from when to when. Thread-safe. Close it when nothing is traced any
 * more; its owner does.
 */
public interface Trace extends AutoCloseable {
  /** Takes nothing down. */
  Trace NONE =
      new Trace() {
        @Override
        public Span begin(String what) {
          return () -> {};
        }

        @Override
        public void close() {}
      };

  /** Something that a thread is doing; the same thread ends it. */
  interface Span {
    /** That was it. */
    void end();
  }

  /**
   * The calling thread begins something. Spans of a thread may lie within each other.
   *
   * @param what a few words, as "encode"
   */
  Span begin(String what);

  /** Does something and takes it down. */
  default <T> T during(String what, Supplier<T> work) {
    Span span = begin(what);
    try {
      return work.get();
    } finally {
      span.end();
    }
  }

  @Override
  void close();

  /**
   * Writes a file that chrome://tracing and ui.perfetto.dev show. The files of several processes
   * may be loaded together: their clock is the machine's.
   *
   * @param file is made anew
   * @param process name to be shown
   */
  static Trace to(Path file, String process) {
    return new ChromeTrace(file, process);
  }
}
