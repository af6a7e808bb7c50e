package org.dunlin.worker.collective;

import io.aeron.driver.MediaDriver;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.Seat;

/**
 * Members w0, w1 and so on: threads of this process, with real sockets and media drivers between
 * them.
 */
public final class Members implements AutoCloseable {
  /** Far more than anything here takes; a member that hangs fails its test. */
  private static final long LIMIT_SECONDS = 60;

  static final Term TERM = new Term(2);
  static final Generation GENERATION = new Generation(3);

  /** What a member does. */
  public interface Work<T> {
    T of(int member) throws Exception;
  }

  private final Drivers drivers;
  private final List<DataPlane> planes = new ArrayList<>();
  private final List<Seat> roster = new ArrayList<>();
  private final List<Exchange> exchanges = new ArrayList<>();
  private final ExecutorService threads;

  /** Members that only listen, dealt to the drivers in turn; they are closed with them. */
  Members(int count, int hosts, UnaryOperator<MediaDriver.Context> change) {
    this.threads = Executors.newFixedThreadPool(count);
    this.drivers = new Drivers(hosts, change);
    for (int member = 0; member < count; member++) {
      String name = "w" + member;
      planes.add(DataPlane.listen("127.0.0.1", drivers.source(member % hosts, name)));
      roster.add(new Seat(new WorkerId(name, 1 + member), planes.get(member).endpoint(), 0, 0));
    }
  }

  /** Members that only listen. */
  static Members listening(int count) {
    return new Members(count, 1, context -> context);
  }

  /** Members of generation 3, connected. */
  public static Members connected(int count) throws Exception {
    return listening(count).connect();
  }

  /** Connects them in generation 3. */
  Members connect() throws Exception {
    try {
      exchanges.addAll(all(m -> connect(m, GENERATION)));
      return this;
    } catch (Exception | Error e) {
      close();
      throw e;
    }
  }

  Exchange connect(int member, Generation generation) {
    return plane(member).connect(roster, TERM, generation, member);
  }

  /**
   * Connects a member with some of the others.
   *
   * @param after so many generations after the first
   */
  public Exchange connect(int member, List<Integer> some, int after) {
    List<Seat> seats = some.stream().map(roster::get).toList();
    Generation generation = new Generation(GENERATION.number() + after);
    return plane(member).connect(seats, TERM, generation, some.indexOf(member));
  }

  int count() {
    return roster.size();
  }

  List<Seat> roster() {
    return roster;
  }

  DataPlane plane(int member) {
    return planes.get(member);
  }

  Drivers drivers() {
    return drivers;
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
    planes.forEach(DataPlane::close);
    threads.shutdownNow();
    try {
      if (!threads.awaitTermination(LIMIT_SECONDS, TimeUnit.SECONDS)) {
        throw new AssertionError("a closed exchange still holds its thread");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("interrupted", e);
    } finally {
      drivers.close();
    }
  }
}
