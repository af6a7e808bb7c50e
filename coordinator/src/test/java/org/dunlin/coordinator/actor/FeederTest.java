package org.dunlin.coordinator.actor;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.SinkQueueWithCancel;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.coordinator.feed.FeedWindow;
import org.dunlin.coordinator.step.Share;
import org.dunlin.data.feed.StepBatch;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.run.BatchSpec;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class FeederTest {
  private static final long STEPS = 4L * FeedWindow.MOST_STEPS;
  private static final long LIMIT_SECONDS = 60;
  private static final WorkerId STAYS = new WorkerId("stays", 1);
  private static final WorkerId LEAVES = new WorkerId("leaves", 1);

  private static ActorSystem system;

  @BeforeAll
  static void start() {
    system = ActorSystem.create("feeder", ConfigFactory.parseString("pekko.loglevel = WARNING"));
  }

  @AfterAll
  static void stop() throws Exception {
    system.terminate();
    system.getWhenTerminated().toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  /** Its stream has an end that nobody takes from any more, which it may not notice. */
  @Test
  void shouldFeedTheOthersHoweverLongAgoOneLeftInOrder() throws Exception {
    Feeder feeder =
        new Feeder(
            step -> Source.never(),
            0,
            new BatchSpec(2, 0, 1, 2, 16, 1, 8, 8, 1, 1, 0, List.of()),
            1 << 20,
            Materializer.matFromSystem(system));
    SinkQueueWithCancel<FeedItem> stays = take(feeder, new Share(STAYS, 0, 1));
    feeder.open(new Share(LEAVES, 1, 1), 0); // of a node that is gone before it took anything

    feeder.retain(Set.of(STAYS));
    for (long step = 0; step < STEPS; step++) {
      feeder.arrived(Optional.of(batch(step)));
      assertThat(next(stays)).isInstanceOf(StepHeader.class);
      assertThat(next(stays)).isInstanceOf(SlotBatch.class);
      feeder.committed(step);
    }
    feeder.close();
  }

  private static SinkQueueWithCancel<FeedItem> take(Feeder feeder, Share share) {
    return feeder.open(share, 0).getSource().runWith(Sink.queue(1), system);
  }

  private static FeedItem next(SinkQueueWithCancel<FeedItem> queue) throws Exception {
    return queue.pull().toCompletableFuture().get(LIMIT_SECONDS, TimeUnit.SECONDS).orElseThrow();
  }

  private static StepBatch batch(long step) {
    return new StepBatch(
        new StepHeader(step, 0, 1, new int[] {0, 1, 2}, new long[2], new long[2], 2, 2),
        List.of(slot(step, 0), slot(step, 1)));
  }

  private static SlotBatch slot(long step, int slot) {
    return new SlotBatch(step, slot, slot, 1, 1, new int[2][2], new int[][] {{0, 1}}, 1);
  }
}
