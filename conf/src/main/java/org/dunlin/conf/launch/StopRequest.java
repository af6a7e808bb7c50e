package org.dunlin.conf.launch;

import java.lang.reflect.Proxy;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A person's wish that a run ends: the first one means soon and in order, the second at once.
 * Thread-safe.
 */
public final class StopRequest {
  /** The answer to a wish that a run ends. */
  public static final String OF_A_RUN = "ending after the step under way; once more ends at once";

  // What a shell reports of a program that Ctrl-C ended.
  private static final int EXIT_CODE = 130;

  // A terminal's Ctrl-C, a polite kill, a terminal that was closed.
  private static final List<String> SIGNALS = List.of("INT", "TERM", "HUP");

  private final AtomicInteger asked = new AtomicInteger();
  private final CompletableFuture<Void> first = new CompletableFuture<>();
  private final Runnable atOnce;

  private StopRequest(Runnable atOnce) {
    this.atOnce = atOnce;
  }

  /**
   * One that this process's signals make; from now on they no longer end it by themselves. The
   * second one ends it at once, and with it its children.
   *
   * @param answer printed at the first one
   */
  public static StopRequest bySignals(String answer) {
    StopRequest request = new StopRequest(() -> Runtime.getRuntime().halt(EXIT_CODE));
    SIGNALS.forEach(name -> handle(name, request::ask));
    request.first().thenRun(() -> System.err.println(answer));
    return request;
  }

  /** One that only {@link #ask} makes, once. */
  public static StopRequest byHand() {
    return new StopRequest(() -> {});
  }

  /** Asks for the end, or, if that was done already, for an end at once. */
  public void ask() {
    Runnable wish = asked.getAndIncrement() == 0 ? () -> first.complete(null) : atOnce;
    // Not on the caller's thread: a signal's handler must return at once.
    ForkJoinPool.commonPool().execute(wish);
  }

  /** Whether anybody has asked. */
  public boolean isAsked() {
    return asked.get() > 0;
  }

  CompletionStage<Void> first() {
    return first;
  }

  // By name, because the compiler warns of these classes and the warning cannot be switched off;
  // there is no other way to give a signal a meaning of its own.
  static void handle(String name, Runnable action) {
    try {
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Class<?> signal = Class.forName("sun.misc.Signal");
      Object proxy =
          Proxy.newProxyInstance(
              handler.getClassLoader(),
              new Class<?>[] {handler},
              (self, method, arguments) -> {
                action.run();
                return null;
              });
      signal
          .getMethod("handle", signal, handler)
          .invoke(null, signal.getConstructor(String.class).newInstance(name), proxy);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("SIG" + name + " cannot be given a meaning", e);
    }
  }
}
