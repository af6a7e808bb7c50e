package org.dunlin.worker.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.LessonItem;
import org.dunlin.worker.engine.EncoderDevice;
import org.dunlin.worker.member.Device;
import org.dunlin.worker.trace.Trace;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A learner ends with its teachers' bits, and goes on with them. */
class LessonsTest {
  private static final int ROWS = 4;
  private static final SmallRun RUN = new SmallRun(0.1, 13, 2, 32);

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4})
  void shouldLearnItsTeachersBitsWhateverStepsComeBetween(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int shares = 1 + random.nextInt(3);
    EncoderDevice on = seed % 2 == 0 ? EncoderDevice.MIRRORED_PROCESSOR : EncoderDevice.PROCESSOR;
    try (StepCompute learner = RUN.device(2, Memory.ofMachine(false), Trace.NONE, on)) {
      RUN.compute(learner, 0, ROWS); // what it has of its own state is forgotten
      List<StepCompute> teachers = new ArrayList<>();
      List<Device.Lesson> lessons = new ArrayList<>();
      for (int share = 0; share < shares; share++) {
        teachers.add(RUN.device(1));
      }
      long step = 0;
      for (; step < 2; step++) { // moments are no longer 0
        train(teachers, step);
      }
      for (int share = 0; share < shares; share++) {
        lessons.add(teachers.get(share).teach(share, shares));
      }
      Device.Study study = learner.study(shares);
      Device.Progress progress = new Device.Progress(0, false);
      while (!progress.whole()) {
        // Slow at first, so that steps come between the parts of a segment.
        int items = step < 6 ? random.nextInt(random.nextBoolean() ? 3 : 60) : Integer.MAX_VALUE;
        for (int share = 0; share < shares; share++) {
          for (int i = 0; i < items && isReady(lessons.get(share)); i++) {
            progress = study.accept(share, lessons.get(share).next().orElseThrow());
          }
        }
        if (!progress.whole()) {
          train(teachers, step++);
        }
      }
      assertThat(progress.steps()).isEqualTo(step);
      lessons.forEach(Device.Lesson::close);
      assertThat(lessons.get(0).next()).isEmpty();

      assertThat(learner.scalars()).isEqualTo(teachers.get(0).scalars());
      for (int more = 0; more < 2; more++) {
        long checksum = RUN.compute(learner, step, ROWS).checksum();
        learner.apply(step);
        assertThat(RUN.compute(teachers.get(0), step, ROWS).checksum()).isEqualTo(checksum);
        teachers.get(0).apply(step);
        step++;
      }
      SmallRun.parameters(teachers.get(0))
          .forEach(
              (name, values) ->
                  assertThat(SmallRun.parameters(learner).get(name)).as(name).isEqualTo(values));
      teachers.forEach(StepCompute::close);
    }
  }

  // A lesson that has nothing to say now would wait.
  private static boolean isReady(Device.Lesson lesson) {
    return ((StateLesson) lesson).hasMore();
  }

  private static void train(List<StepCompute> devices, long step) {
    for (StepCompute device : devices) {
      RUN.compute(device, step, ROWS);
      device.apply(step);
    }
  }

  @Test
  void shouldRefuseALearnerWhoseStateDiffers() {
    try (StepCompute teacher = RUN.device(1);
        StepCompute learner = RUN.device(1)) {
      Device.Study study = learner.study(1);
      Device.Lesson lesson = teacher.teach(0, 1);
      boolean flipped = false;
      while (isReady(lesson)) {
        LessonItem item = lesson.next().orElseThrow();
        if (!flipped && item instanceof LessonItem.Part part) {
          flipped = true;
          ByteBuffer bytes = ByteBuffer.allocate(part.values().remaining());
          bytes.put(part.values().duplicate()).flip().order(ByteOrder.LITTLE_ENDIAN);
          bytes.put(0, (byte) (bytes.get(0) ^ 1));
          item =
              new LessonItem.Part(
                  part.tensor(), part.kind(), part.firstElement(), part.rows(), bytes);
        }
        study.accept(0, item);
      }
      train(List.of(teacher), 0);
      assertThatThrownBy(
              () -> {
                while (isReady(lesson)) {
                  study.accept(0, lesson.next().orElseThrow());
                }
              })
          .isInstanceOf(Refusal.class)
          .hasMessageContaining("after 1 steps");
    }
  }

  @Test
  void shouldEndAWaitWhenTheTeacherCloses() throws Exception {
    CompletableFuture<Boolean> ended;
    try (StepCompute teacher = RUN.device(1)) {
      Device.Lesson lesson = teacher.teach(0, 1);
      while (isReady(lesson)) {
        assertThat(lesson.next()).isPresent();
      }
      ended = CompletableFuture.supplyAsync(() -> lesson.next().isEmpty());
    }
    assertThat(ended.get()).isTrue();
  }
}
