package org.dunlin.coordinator.actor;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.function.LongFunction;
import org.apache.pekko.NotUsed;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.stream.BoundedSourceQueue;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.QueueOfferResult;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.SinkQueueWithCancel;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.StreamRefs;
import org.dunlin.coordinator.feed.FeedWindow;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.Share;
import org.dunlin.data.feed.StepBatch;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.run.BatchSpec;

/**
 * Reads the plan's steps into the window and sends each member the headers and its own slots.
 *
 * <p>The queues to the members can hold the whole window, so an offer never waits; what bounds them
 * is the window, which only commits open. Belongs to the coordinator actor's thread.
 */
final class Feeder {
  private final LongFunction<Source<StepBatch, NotUsed>> batches;
  private final long windowTokens;
  private final List<CutRecord> cuts = new ArrayList<>();
  private FeedWindow window;
  private final int queueItems;
  private final Materializer materializer;
  private SinkQueueWithCancel<StepBatch> reader;
  private final Map<WorkerId, Outlet> outlets = new HashMap<>();
  private final BatchSpec spec;
  private int turn;
  private boolean reading;
  private boolean ended;

  private record Outlet(Share share, BoundedSourceQueue<FeedItem> queue) {
    boolean owns(SlotBatch batch) {
      return batch.slot() >= share.firstSlot() && batch.slot() < share.firstSlot() + share.slots();
    }
  }

  /**
   * @param batches the plan's steps from one on
   * @param firstStep from which it reads now
   */
  Feeder(
      LongFunction<Source<StepBatch, NotUsed>> batches,
      long firstStep,
      BatchSpec spec,
      long windowTokens,
      Materializer materializer) {
    this.batches = batches;
    this.windowTokens = windowTokens;
    this.spec = spec;
    this.window = new FeedWindow(windowTokens);
    this.queueItems = FeedWindow.MOST_STEPS * (spec.slots() + 1);
    this.materializer = materializer;
    this.reader = batches.apply(firstStep).runWith(Sink.queue(1), materializer);
  }

  /** Begins anew with a step; members get new streams then. What is being read counts no more. */
  void restart(long firstStep) {
    close();
    turn++;
    ended = false;
    reading = false;
    window = new FeedWindow(windowTokens);
    reader = batches.apply(firstStep).runWith(Sink.queue(1), materializer);
  }

  /** The number of the present beginning: reads of another one count no more. */
  int turn() {
    return turn;
  }

  /** A read to be waited for, if one is due. At most one is under way. */
  Optional<CompletionStage<Optional<StepBatch>>> read() {
    if (reading || ended || !window.isOpen()) {
      return Optional.empty();
    }
    reading = true;
    return Optional.of(reader.pull());
  }

  /** What {@link #read} gave; empty at the plan's end. */
  void arrived(Optional<StepBatch> batch) {
    reading = false;
    ended = batch.isEmpty();
    batch.ifPresent(
        read -> {
          StepBatch cut = cut(read);
          window.add(cut);
          outlets.values().forEach(outlet -> offer(outlet, cut));
        });
  }

  /** Cuts the uncommitted steps and all later ones anew; streams opened from now on give those. */
  void cut(CutRecord record) {
    cuts.add(record);
    window.replace(this::cut);
  }

  // A step before a record is cut as it was then, should it be computed again.
  private StepBatch cut(StepBatch batch) {
    BatchSpec cut = spec;
    for (CutRecord record : cuts) {
      cut = batch.header().step() >= record.fromStep() ? cut.with(record.limit()) : cut;
    }
    return cut.equals(spec) ? batch : batch.cut(cut);
  }

  /** Opens a member's stream and fills it with what the window holds from a step on. */
  SourceRef<FeedItem> open(Share share, long firstStep) {
    Pair<BoundedSourceQueue<FeedItem>, SourceRef<FeedItem>> stream =
        Source.<FeedItem>queue(queueItems)
            .toMat(StreamRefs.sourceRef(), Keep.both())
            .run(materializer);
    Outlet outlet = new Outlet(share, stream.first());
    close(share.worker());
    outlets.put(share.worker(), outlet);
    for (StepBatch batch : window.batches()) {
      if (batch.header().step() >= firstStep) {
        offer(outlet, batch);
      }
    }
    return stream.second();
  }

  /** A step's batch, if it has been read and is not final. */
  Optional<StepBatch> find(long step) {
    return window.find(step);
  }

  StepBatch committed(long step) {
    return window.committed(step);
  }

  /** Ends the stream of a worker, if it has one. */
  void close(WorkerId worker) {
    Outlet outlet = outlets.remove(worker);
    if (outlet != null) {
      end(outlet);
    }
  }

  /** Ends the streams of all others: what nobody takes fills up. */
  void retain(Set<WorkerId> members) {
    for (WorkerId worker : List.copyOf(outlets.keySet())) {
      if (!members.contains(worker)) {
        close(worker);
      }
    }
  }

  void close() {
    ended = true;
    reader.cancel();
    outlets.values().forEach(Feeder::end);
    outlets.clear();
  }

  private static void end(Outlet outlet) {
    try {
      outlet.queue().complete();
    } catch (IllegalStateException e) {
      // The member has ended its side already.
    }
  }

  private static void offer(Outlet outlet, StepBatch batch) {
    offer(outlet, batch.header());
    for (SlotBatch slot : batch.slots()) {
      if (outlet.owns(slot)) {
        offer(outlet, slot);
      }
    }
  }

  private static void offer(Outlet outlet, FeedItem item) {
    QueueOfferResult result = outlet.queue().offer(item);
    if (result.equals(QueueOfferResult.dropped())) {
      throw new IllegalStateException(
          "the queue to " + outlet.share().worker() + " cannot hold the feed window");
    }
  }
}
