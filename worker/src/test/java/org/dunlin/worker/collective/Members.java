package org.dunlin.worker.collective;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Seat;

/** Members w0, w1 and so on: threads of this process, with real sockets between them. */
public final class Members implements AutoCloseable {
  /** Far more than anything here takes; a member that hangs fails its test. */
  private static final long LIMIT_SECONDS = 60;

  /** What a member does. */
  public interface Work<T> {
    T of(int member) throws Exception;
  }

  private final List<Mesh.Listener> listeners = new ArrayList<>();
  private final List<Seat> roster = new ArrayList<>();
  private final List<Exchange> exchanges = new ArrayList<>();
  private final ExecutorService threads;

  private Members(int count) {
    this.threads = Executors.newFixedThreadPool(count);
    for (int member = 0; member < count; member++) {
      listeners.add(Mesh.listen("127.0.0.1"));
      roster.add(
          new Seat(new WorkerId("w" + member, 1 + member), listeners.get(member).endpoint(), 0, 0));
    }
  }

  /** Members that only listen. */
  static Members listening(int count) {
    return new Members(count);
  }

  /** Members of generation 3, connected. */
  public static Members connected(int count) throws Exception {
    Members members = new Members(count);
    members.exchanges.addAll(
        members.all(m -> members.listener(m).connect(members.roster, new Generation(3), m)));
    return members;
  }

  int count() {
    return roster.size();
  }

  List<Seat> roster() {
    return roster;
  }

  Mesh.Listener listener(int member) {
    return listeners.get(member);
  }

  public Exchange exchange(int member) {
    return exchanges.get(member);
  }

  <T> Future<T> start(Callable<T> work) {
    return threads.submit(work);
  }

  static <T> T join(Future<T> work) throws Exception {
    try {
      return work.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof Exception cause ? cause : e;
    } catch (TimeoutException e) {
      throw new AssertionError("a member still waits after " + LIMIT_SECONDS + " s", e);
    }
  }

  /** What every member gives, all at once. */
  public <T> List<T> all(Work<T> work) throws Exception {
    List<Future<T>> started = new ArrayList<>();
    for (int m = 0; m < count(); m++) {
      int member = m;
      started.add(start(() -> work.of(member)));
    }
    List<T> results = new ArrayList<>();
    for (Future<T> one : started) {
      results.add(join(one));
    }
    return results;
  }

  @Override
  public void close() {
    exchanges.forEach(Exchange::close);
    listeners.forEach(Mesh.Listener::close);
    threads.shutdownNow();
    try {
      if (!threads.awaitTermination(LIMIT_SECONDS, TimeUnit.SECONDS)) {
        throw new AssertionError("a closed exchange still holds its thread");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    }
  }
}
