package org.dunlin.worker.step;

import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.dunlin.protocol.Refusal;
import org.dunlin.protocol.message.LessonItem;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.collective.RowSet;
import org.dunlin.worker.member.Device;

/** Makes a state from the lessons of all shares, by the same updates as its teachers. */
final class StateStudy implements Device.Study {
  /** What a learner does for an update; the same as a member. */
  interface Update {
    void apply(StepResult outcome, Scalars before, BitSet segments);
  }

  private static final class Share {
    private final List<Integer> segments;
    private final BitSet held = new BitSet();
    private long steps = -1;
    private Scalars scalars;
    private boolean proven;

    Share(List<Integer> segments) {
      this.segments = segments;
    }
  }

  private final State state;
  private final Reduced reduced;
  private final Update update;
  private final CaughtUp caughtUp;
  private final List<Share> shares = new ArrayList<>();
  private final List<LessonItem.Part> rows = new ArrayList<>();

  /**
   * @param caughtUp hears each time that all shares have seen the same steps
   */
  StateStudy(State state, Reduced reduced, int shares, Update update, CaughtUp caughtUp) {
    this.state = state;
    this.reduced = reduced;
    this.update = update;
    this.caughtUp = caughtUp;
    for (int s = 0; s < shares; s++) {
      this.shares.add(new Share(Lessons.share(state, s, shares)));
    }
  }

  /** Where all shares are. */
  interface CaughtUp {
    void at(long steps, Scalars scalars);
  }

  @Override
  public Device.Progress accept(int number, LessonItem item) {
    Share share = shares.get(number);
    switch (item) {
      case LessonItem.Begun begun -> {
        share.steps = begun.steps();
        share.scalars = begun.scalars();
      }
      case LessonItem.Part part -> take(part);
      case LessonItem.Held whole -> share.held.set(state.segment(whole.tensor()));
      case LessonItem.Done done -> follow(share, done.step());
      case LessonItem.Digest digest -> prove(share, digest);
    }
    long least = shares.stream().mapToLong(each -> each.steps).min().orElseThrow();
    boolean level = shares.stream().allMatch(each -> each.steps == least);
    boolean whole = level && shares.stream().allMatch(each -> each.proven);
    if (whole) {
      caughtUp.at(share.steps, share.scalars);
    }
    return new Device.Progress(least, whole);
  }

  private void take(LessonItem.Part part) {
    if (part.rows().length > 0) {
      rows.add(part);
      return;
    }
    FloatBuffer values = floats(part);
    int segment = state.segment(part.tensor());
    FloatBuffer place =
        part.kind() == Kind.GRADIENT
            ? reduced.values(segment, part.firstElement(), values.remaining())
            : state.values(segment, part.kind(), part.firstElement(), values.remaining());
    place.put(values);
    state.changed();
  }

  private static FloatBuffer floats(LessonItem.Part part) {
    return part.values().duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
  }

  private void follow(Share share, StepResult outcome) {
    if (outcome.step() != share.steps) {
      throw new IllegalStateException(
          "a teacher went on with step %d (expected: %d)".formatted(outcome.step(), share.steps));
    }
    if (outcome.applied()) {
      if (share.held.get(0) && state.isTrained(0)) {
        setRows();
      }
      update.apply(outcome, share.scalars, (BitSet) share.held.clone());
    }
    share.steps++;
    share.scalars = outcome.scalars();
  }

  private void setRows() {
    int[] touched = rows.stream().flatMapToInt(part -> Arrays.stream(part.rows())).toArray();
    int width = state.layout().segments().get(0).tensor().shape().get(1).intValue();
    FloatBuffer values = FloatBuffer.allocate(Math.multiplyExact(touched.length, width));
    rows.forEach(part -> values.put(floats(part)));
    reduced.setRows(new RowSet(touched, width, values.flip()));
    rows.clear();
  }

  private void prove(Share share, LessonItem.Digest digest) {
    long own = StateLesson.digest(state, share.segments);
    if (digest.steps() != share.steps || digest.crc() != own) {
      throw Refusal.run(
          "the state that it learnt differs from its teacher's after %d steps (CRC32C %08x, expected: %08x); its updates give other bits"
              .formatted(digest.steps(), own, digest.crc()));
    }
    share.proven = true;
  }
}
