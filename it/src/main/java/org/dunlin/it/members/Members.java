package org.dunlin.it.members;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.Seat;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.worker.collective.Alone;
import org.dunlin.worker.collective.DataPlane;
import org.dunlin.worker.collective.Exchange;
import org.dunlin.worker.step.StepCompute;

/**
 * Devices that train together: one alone, or several threads with real streams between them. Close
 * it; it closes the devices.
 */
public final class Members implements AutoCloseable {
  private final List<StepCompute> devices = new ArrayList<>();
  private final List<Exchange> exchanges = new ArrayList<>();
  private final List<DataPlane> planes = new ArrayList<>();
  private final ExecutorService threads;
  private final int[] slotBounds;

  /**
   * @param device makes member m's device
   * @param slots shared out evenly
   */
  public Members(int count, int slots, IntFunction<StepCompute> device) {
    this.threads = Executors.newFixedThreadPool(count);
    this.slotBounds = new int[count + 1];
    for (int m = 0; m < count; m++) {
      devices.add(device.apply(m));
      slotBounds[m + 1] = slots * (m + 1) / count;
    }
    if (count == 1) {
      exchanges.add(new Alone());
      return;
    }
    List<Seat> roster = new ArrayList<>();
    for (int m = 0; m < count; m++) {
      DataPlane plane = DataPlane.listen("127.0.0.1");
      planes.add(plane);
      roster.add(new Seat(new WorkerId("w" + m, 1), plane.endpoint(), 0, 0));
    }
    exchanges.addAll(all(m -> planes.get(m).connect(roster, new Term(1), new Generation(1), m)));
  }

  public List<StepCompute> devices() {
    return devices;
  }

  /** Computes a step together; by member. */
  public List<StepResult> compute(StepHeader header, List<SlotBatch> slots) {
    return all(
        m ->
            devices
                .get(m)
                .compute(
                    header,
                    slots.stream()
                        .filter(s -> s.slot() >= slotBounds[m] && s.slot() < slotBounds[m + 1])
                        .toList(),
                    exchanges.get(m),
                    slotBounds));
  }

  /** What each does, all at once; by member. */
  public <T> List<T> all(IntFunction<T> work) {
    List<Future<T>> running = new ArrayList<>();
    for (int m = 0; m < devices.size(); m++) {
      int member = m;
      running.add(threads.submit(() -> endingAll(work, member)));
    }
    List<T> results = new ArrayList<>();
    for (Future<T> future : running) {
      try {
        results.add(future.get());
      } catch (InterruptedException | ExecutionException e) {
        throw new IllegalStateException(e);
      }
    }
    return results;
  }

  /** A member that fails ends the others' waiting for it. */
  private <T> T endingAll(IntFunction<T> work, int member) {
    try {
      return work.apply(member);
    } catch (RuntimeException e) {
      exchanges.forEach(Exchange::close);
      throw e;
    }
  }

  @Override
  public void close() {
    exchanges.forEach(Exchange::close);
    planes.forEach(DataPlane::close);
    devices.forEach(StepCompute::close);
    threads.shutdown();
  }
}
