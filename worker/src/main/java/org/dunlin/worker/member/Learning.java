package org.dunlin.worker.member;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.SourceRef;
import org.apache.pekko.stream.javadsl.Sink;
import org.dunlin.protocol.message.LessonItem;

/**
 * One lesson that a learner takes: a stream of each teacher, whose items go in order to the step
 * thread. Belongs to the actor.
 */
final class Learning {
  private final long lesson;
  private final StepThread steps;
  private final CompletableFuture<Device.Study> study;
  private final SharedKillSwitch end = KillSwitches.shared("lesson");
  private volatile boolean ended;

  Learning(long lesson, int teachers, StepThread steps) {
    this.lesson = lesson;
    this.steps = steps;
    this.study = steps.submit(() -> steps.study(teachers));
  }

  long lesson() {
    return lesson;
  }

  /**
   * Takes a teacher's stream up.
   *
   * @param progressed hears after each step that all shares have seen
   * @param broke hears why the stream ended, unless this was ended before; on a thread of its own
   */
  void take(
      int share,
      SourceRef<LessonItem> items,
      Materializer materializer,
      Consumer<Device.Progress> progressed,
      Consumer<String> broke) {
    BiConsumer<Object, Throwable> over =
        (done, error) -> {
          if (!ended) {
            broke.accept(error == null ? "a teacher ended its lesson" : error.toString());
          }
        };
    items
        .getSource()
        .via(end.flow())
        .runWith(Sink.foreachAsync(1, item -> accept(share, item, progressed)), materializer)
        .whenComplete(over);
  }

  private CompletionStage<Void> accept(
      int share, LessonItem item, Consumer<Device.Progress> progressed) {
    return steps
        .submit(() -> ended ? null : study.join().accept(share, item))
        .thenAccept(
            progress -> {
              boolean news = item instanceof LessonItem.Done || item instanceof LessonItem.Digest;
              if (progress != null && news) {
                progressed.accept(progress);
              }
            });
  }

  /** Nothing more is taken; what the step thread does for it is done before its next work. */
  void end() {
    ended = true;
    end.shutdown();
  }
}
