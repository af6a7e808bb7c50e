package org.dunlin.worker.step;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import java.util.zip.CRC32C;
import org.dunlin.data.state.Segment;
import org.dunlin.protocol.message.LessonItem;
import org.dunlin.protocol.message.LessonItem.Kind;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.member.Device;

/**
 * A share of the state for one learner. A segment is sent as it is after some step; if the next
 * update comes before all of it is read, it is sent again from its beginning, and if that happens
 * twice, a copy of it. From then on its gradients are sent too.
 */
final class StateLesson implements Device.Lesson {
  private static final int CHUNK_FLOATS = StateChunk.MAX_BYTES / Float.BYTES;

  /** Interrupted so often, a segment is copied whole. */
  private static final int MOST_INTERRUPTIONS = 2;

  /** Gradients that wait for a slow learner: what a small model may have, or twice a share. */
  private static final long LEAST_LIMIT_BYTES = 256L << 20;

  private record Piece(Kind kind, long first, int floats) {}

  private final Lessons lessons;
  private final State state;
  private final Reduced reduced;
  private final List<Integer> share;
  private final long mostBytes;

  // Of the one thread that asks for the next item.
  private final Deque<Supplier<LessonItem>> copied = new ArrayDeque<>();
  private Iterator<Piece> pieces = List.<Piece>of().iterator();
  private long version = -1;
  private int interruptions;
  private boolean digested;

  // Written by the asking thread inside a read of the state, read by the step thread in an update.
  private final BitSet held = new BitSet();
  private int at;

  // Guarded by this object's monitor.
  private final Deque<Supplier<LessonItem>> ready = new ArrayDeque<>();
  private long waitingBytes;
  private boolean followsWhole;
  private String broken = "";
  private boolean closed;

  StateLesson(
      Lessons lessons,
      State state,
      Reduced reduced,
      List<Integer> share,
      long steps,
      Scalars scalars) {
    this.lessons = lessons;
    this.state = state;
    this.reduced = reduced;
    this.share = share;
    long floats = share.stream().mapToLong(this::elements).sum();
    this.mostBytes = Math.max(LEAST_LIMIT_BYTES, 2 * floats * Float.BYTES);
    ready.add(() -> new LessonItem.Begun(steps, scalars));
  }

  private long elements(int segment) {
    return segmentOf(segment).tensor().elements();
  }

  private Segment segmentOf(int segment) {
    return state.layout().segments().get(segment);
  }

  private String name(int segment) {
    return segmentOf(segment).tensor().name();
  }

  @Override
  public Optional<LessonItem> next() {
    while (true) {
      if (!copied.isEmpty()) {
        return Optional.of(copied.remove().get());
      }
      Optional<LessonItem> item = takeReady().or(() -> lessons.read(this::fromState));
      if (item.isPresent()) {
        return item;
      }
      if (!awaitsMore()) {
        return Optional.empty();
      }
    }
  }

  private synchronized Optional<LessonItem> takeReady() {
    if (!broken.isEmpty()) {
      throw new IllegalStateException(broken);
    }
    return Optional.ofNullable(ready.poll()).map(Supplier::get);
  }

  private synchronized boolean hasReady() {
    return !ready.isEmpty() || closed;
  }

  // False once this is closed. A copy may have been made, or a gradient have come.
  private synchronized boolean awaitsMore() {
    while (broken.isEmpty() && !hasMore()) {
      try {
        wait();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return false;
      }
    }
    return !closed;
  }

  /** Whether the next item is there without a wait. */
  synchronized boolean hasMore() {
    return !copied.isEmpty() || !ready.isEmpty() || closed || !isIdle();
  }

  private boolean isIdle() {
    return at == share.size() && (digested || !followsWhole);
  }

  // Gradients of an update before this read come first: what is read has them in it.
  private Optional<LessonItem> fromState(long steps) {
    if (hasReady() || !lessons.isOpen()) {
      return Optional.empty();
    }
    if (at == share.size()) {
      return digest(steps);
    }
    int segment = share.get(at);
    if (version != steps) {
      boolean interrupted = version >= 0 && pieces.hasNext();
      interruptions += interrupted ? 1 : 0;
      if (interruptions == MOST_INTERRUPTIONS) {
        copy(segment);
        return Optional.empty();
      }
      version = steps;
      pieces = pieces(segment);
    }
    if (pieces.hasNext()) {
      Piece piece = pieces.next();
      return Optional.of(
          part(segment, piece, state.values(segment, piece.kind(), piece.first(), piece.floats())));
    }
    hold(segment);
    return Optional.of(new LessonItem.Held(name(segment)));
  }

  private void hold(int segment) {
    held.set(segment);
    at++;
    version = -1;
    interruptions = 0;
  }

  private Iterator<Piece> pieces(int segment) {
    List<Piece> all = new ArrayList<>();
    for (Kind kind : state.kinds(segment)) {
      firsts(elements(segment))
          .forEach(
              first ->
                  all.add(
                      new Piece(
                          kind, first, (int) Math.min(CHUNK_FLOATS, elements(segment) - first))));
    }
    return all.iterator();
  }

  private static LongStream firsts(long elements) {
    return LongStream.iterate(0, first -> first < elements, first -> first + CHUNK_FLOATS);
  }

  private void copy(int segment) {
    for (Kind kind : state.kinds(segment)) {
      Block block = new Block(elements(segment));
      block.floats(0, elements(segment)).put(state.values(segment, kind, 0, elements(segment)));
      pieces(segment)
          .forEachRemaining(
              piece -> {
                if (piece.kind() == kind) {
                  copied.add(
                      () -> part(segment, piece, block.floats(piece.first(), piece.floats())));
                }
              });
    }
    copied.add(() -> new LessonItem.Held(name(segment)));
    hold(segment);
  }

  private LessonItem part(int segment, Piece piece, FloatBuffer values) {
    return new LessonItem.Part(
        name(segment),
        piece.kind(),
        piece.first(),
        new int[0],
        bytes(piece.floats(), into -> into.put(values)));
  }

  private static ByteBuffer bytes(int floats, Consumer<FloatBuffer> values) {
    ByteBuffer bytes = ByteBuffer.allocate(floats * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    values.accept(bytes.asFloatBuffer());
    return bytes.asReadOnlyBuffer();
  }

  // Once, and not before the learner has applied a gradient to all of it.
  private Optional<LessonItem> digest(long steps) {
    if (digested || !followsWhole()) {
      return Optional.empty();
    }
    digested = true;
    return Optional.of(new LessonItem.Digest(steps, digest(state, share)));
  }

  private synchronized boolean followsWhole() {
    return followsWhole;
  }

  static long digest(State state, List<Integer> share) {
    CRC32C crc = new CRC32C();
    share.forEach(segment -> state.digest(segment, crc));
    return crc.getValue();
  }

  /** A step is about to be applied; its gradient is still whole. By the step thread. */
  synchronized void record(StepResult outcome) {
    if (closed || !broken.isEmpty()) {
      return;
    }
    try {
      if (outcome.applied()) {
        held.stream().filter(state::isTrained).forEach(this::recordGradient);
      }
    } catch (OutOfMemoryError e) {
      broken = "no memory to keep a gradient for the learner: " + e.getMessage();
    }
    if (waitingBytes > mostBytes) {
      broken =
          "the learner is %d MiB of gradients behind (limit: %d MiB)"
              .formatted(waitingBytes >> 20, mostBytes >> 20);
    }
    if (!broken.isEmpty()) {
      ready.clear();
    }
    StepResult shown =
        new StepResult(
            outcome.step(),
            outcome.checksum(),
            outcome.applied(),
            outcome.gradientNorm(),
            outcome.scalars(),
            new double[0],
            0);
    ready.add(() -> new LessonItem.Done(shown));
    followsWhole |= at == share.size();
    notifyAll();
  }

  private void recordGradient(int segment) {
    if (segment == 0) {
      recordRows();
      return;
    }
    long elements = elements(segment);
    Block block = new Block(elements);
    block.floats(0, elements).put(reduced.values(segment, 0, elements));
    firsts(elements)
        .forEach(
            first -> {
              int floats = (int) Math.min(CHUNK_FLOATS, elements - first);
              Piece piece = new Piece(Kind.GRADIENT, first, floats);
              add(floats, () -> part(segment, piece, block.floats(first, floats)));
            });
  }

  private void recordRows() {
    int width = segmentOf(0).tensor().shape().get(1).intValue();
    int[] rows = reduced.rows();
    int most = Math.max(1, CHUNK_FLOATS / width);
    for (int from = 0; from < rows.length; from += most) {
      int[] some = Arrays.copyOfRange(rows, from, Math.min(rows.length, from + most));
      int floats = some.length * width;
      ByteBuffer values = bytes(floats, into -> reduced.copyRows(some, into));
      add(floats, () -> new LessonItem.Part(name(0), Kind.GRADIENT, 0, some, values));
    }
  }

  private void add(int floats, Supplier<LessonItem> item) {
    long bytes = (long) floats * Float.BYTES;
    waitingBytes += bytes;
    ready.add(
        () -> {
          waitingBytes -= bytes; // it is taken under the monitor
          return item.get();
        });
  }

  @Override
  public synchronized void close() {
    closed = true;
    ready.clear();
    notifyAll();
    lessons.ended(this);
  }
}
