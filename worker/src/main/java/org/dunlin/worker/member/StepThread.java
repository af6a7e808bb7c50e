package org.dunlin.worker.member;

import java.util.Iterator;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.Endpoint;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.Seat;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.message.ToWorker;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.collective.DataPlane;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.hang.HangWatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that may wait: for the device, and for the other members. It owns both.
 *
 * <p>{@link #submit} and {@link #close} may be called by any thread; the other methods belong
 * inside submitted work, except {@link #state}, which may be read while nothing is being applied.
 */
final class StepThread implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StepThread.class);

  // Load, one step and its update, and meetings of generations that follow each other fast.
  private static final int QUEUE = 1024;
  private final WorkerSetup setup;
  private final HangWatch watch;
  private final DataPlane plane;
  private final ThreadPoolExecutor thread;
  private final CompletableFuture<Void> closed = new CompletableFuture<>();
  private String probe = "";
  private volatile Device device;
  private volatile Exchange exchange;
  private final Object reading = new Object();
  private boolean deviceClosed;
  private int[] slotBounds = {};

  StepThread(WorkerSetup setup) {
    this.setup = setup;
    this.watch = setup.watch();
    this.plane = DataPlane.listen(setup.host());
    this.thread =
        new ThreadPoolExecutor(
            1,
            1,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(QUEUE),
            work -> daemon(work, "step-" + setup.worker())) {
          @Override
          protected void terminated() {
            closed.complete(null);
          }
        };
  }

  // A device that hangs must not keep the process alive.
  private static Thread daemon(Runnable work, String name) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    return thread;
  }

  Endpoint endpoint() {
    return plane.endpoint();
  }

  <T> CompletableFuture<T> submit(Callable<T> work) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return work.call();
          } catch (RuntimeException e) {
            throw e;
          } catch (Exception e) {
            throw new CompletionException(e);
          }
        },
        thread);
  }

  /** Makes the device; gives the probe of this machine's kernels. */
  String prepare(RunSpec spec) {
    if (device == null) {
      probe = watch.during("the kernels' probe", () -> setup.probe().apply(spec));
      device = watch.during("making the device", () -> setup.device().apply(spec));
    }
    return probe;
  }

  /** As {@link #prepare}, with a state of the run. */
  String load(ToWorker.Welcome run, Consumer<StateChunks.Receiver> drain) {
    prepare(run.spec());
    device.restore(run.steps(), run.scalars());
    StateChunks.Receiver receiver = new StateChunks.Receiver(device);
    drain.accept(receiver);
    receiver.finish(run.steps() > 0);
    return probe;
  }

  /**
   * Ends what waits or computes for generations before this one. By any thread; returns at once.
   */
  void breakOff(Generation next) {
    LOG.debug("generation {} is to begin", next);
    Exchange open = exchange;
    if (open != null) {
      open.close();
    }
    plane.breakOff(next);
  }

  boolean meet(Term term, Generation generation, List<Seat> roster) {
    long beganNs = System.nanoTime();
    if (exchange != null) {
      exchange.close(); // it may have been met after the breaking off
    }
    slotBounds = new int[roster.size() + 1];
    int own = -1;
    for (int m = 0; m < roster.size(); m++) {
      Seat seat = roster.get(m);
      slotBounds[m + 1] = seat.firstSlot() + seat.slots();
      own = seat.worker().equals(setup.worker()) ? m : own;
    }
    exchange = roster.size() == 1 ? new Alone() : plane.connect(roster, term, generation, own);
    LOG.debug("generation {} met after {} ms", generation, msSince(beganNs));
    return true;
  }

  StepResult compute(StepHeader header, List<SlotBatch> own, Recompute recompute) {
    long beganNs = System.nanoTime();
    LOG.debug("step {} begins", header.step());
    StepResult result = device.compute(header, own, exchange, slotBounds, recompute);
    LOG.debug("step {} is computed after {} ms", header.step(), msSince(beganNs));
    return result;
  }

  private static long msSince(long beganNs) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beganNs);
  }

  Device.Study study(int shares) {
    return device.study(shares);
  }

  /** By any thread, while the device is there and nothing is being applied. */
  Device.Snapshot snapshot(int share, int shares) {
    return device.snapshot(share, shares);
  }

  /** By any thread, while the device is there. */
  Device.Lesson teach(int share, int shares) {
    return device.teach(share, shares);
  }

  long apply(long step) {
    return watch.during(
        "the update of a step",
        () -> {
          device.apply(step);
          return step;
        });
  }

  /** Its reader may be late: one that comes after the end is refused, not shown freed memory. */
  Iterator<StateChunk> state() {
    Iterator<StateChunk> chunks = StateChunks.read(device);
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return chunks.hasNext();
      }

      @Override
      public StateChunk next() {
        synchronized (reading) {
          if (deviceClosed) {
            throw new IllegalStateException("the device of " + setup.worker() + " is closed");
          }
          return chunks.next();
        }
      }
    };
  }

  /** Ends waiting work, then closes what this thread owns; returns at once. */
  @Override
  public void close() {
    Exchange open = exchange;
    if (open != null) {
      open.close();
    }
    plane.close();
    thread.execute(this::closeOwned);
    thread.shutdown();
  }

  /** Completes when everything is closed. */
  CompletionStage<Void> closed() {
    return closed;
  }

  // The exchange once more: the members may have met while this was being closed.
  private void closeOwned() {
    if (exchange != null) {
      exchange.close();
    }
    synchronized (reading) {
      deviceClosed = true;
      if (device != null) {
        device.close();
      }
    }
  }
}
