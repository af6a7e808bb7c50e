package org.dunlin.worker.hang;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;

/**
 * Watches pieces of work that need nobody else, and says which one hangs. Thread-safe; its owner
 * closes it.
 */
public interface HangWatch extends AutoCloseable {
  /** Watches nothing. */
  HangWatch NONE =
      new HangWatch() {
        private final Piece any =
            new Piece() {
              @Override
              public void done() {}

              @Override
              public void close() {}
            };

        @Override
        public Piece begin(String kind, long size, Supplier<String> words) {
          return any;
        }

        @Override
        public CompletionStage<String> hung() {
          return new CompletableFuture<>();
        }

        @Override
        public void close() {}
      };

  /** Starts a daemon thread that watches. */
  static HangWatch start(HangLimits limits) {
    return HangThread.start(limits);
  }

  /** A piece under way; whoever began it closes it. */
  interface Piece extends AutoCloseable {
    /** It did what it was to do. What is closed without has failed, and nothing is learnt of it. */
    void done();

    @Override
    void close();
  }

  /**
   * A piece begins, on any thread. It must not wait for other members.
   *
   * @param kind of pieces whose times can be compared
   * @param size at least 1, in a measure of its kind by which its time grows at most
   * @param words what it is, put before "hangs"; asked for by another thread, only where it hangs
   */
  Piece begin(String kind, long size, Supplier<String> words);

  /** Does work of which all pieces are about equal. */
  default <T> T during(String what, Supplier<T> work) {
    try (Piece piece = begin(what, 1, () -> what)) {
      T result = work.get();
      piece.done();
      return result;
    }
  }

  /** Completes, on the thread that watches, with a sentence about the first piece that hangs. */
  CompletionStage<String> hung();

  @Override
  void close();
}
