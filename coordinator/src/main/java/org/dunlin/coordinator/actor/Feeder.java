package org.dunlin.coordinator.actor;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
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
  private final FeedWindow window;
  private final int queueItems;
  private final Materializer materializer;
  private final SinkQueueWithCancel<StepBatch> reader;
  private final Map<WorkerId, Outlet> outlets = new HashMap<>();
  private BatchSpec spec;
  private boolean isRecut;
  private boolean reading;
  private boolean ended;

  private record Outlet(Share share, BoundedSourceQueue<FeedItem> queue) {
    boolean owns(SlotBatch batch) {
      return batch.slot() >= share.firstSlot() && batch.slot() < share.firstSlot() + share.slots();
    }
  }

  Feeder(
      Source<StepBatch, NotUsed> batches,
      BatchSpec spec,
      long windowTokens,
      Materializer materializer) {
    this.spec = spec;
    this.window = new FeedWindow(windowTokens);
    this.queueItems = FeedWindow.MOST_STEPS * (spec.slots() + 1);
    this.materializer = materializer;
    this.reader = batches.runWith(Sink.queue(1), materializer);
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
          StepBatch cut = isRecut ? read.cut(spec) : read;
          window.add(cut);
          outlets.values().forEach(outlet -> offer(outlet, cut));
        });
  }

  /** Cuts the uncommitted steps and all later ones anew; streams opened from now on give those. */
  void cut(CutRecord record) {
    spec = spec.with(record.limit());
    isRecut = true;
    window.replace(batch -> batch.cut(spec));
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
