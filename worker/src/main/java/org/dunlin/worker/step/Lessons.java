package org.dunlin.worker.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.LongFunction;
import org.dunlin.data.checkpoint.StateShares;
import org.dunlin.data.checkpoint.StateTensor;
import org.dunlin.data.model.EncoderTensors;
import org.dunlin.data.model.Tensor;
import org.dunlin.data.state.Segment;
import org.dunlin.protocol.message.StepResult;
import org.dunlin.protocol.run.Scalars;
import org.dunlin.worker.engine.Block;
import org.dunlin.worker.engine.ComputeThreads;
import org.dunlin.worker.trace.Trace;

/**
 * Who reads a member's state while it trains: lessons, and snapshots for checkpoints. They read
 * between updates, a chunk at a time; lessons get a copy of each gradient before it is applied,
 * snapshots of what it will change. Thread-safe.
 */
final class Lessons implements AutoCloseable {
  private final ComputeThreads threads;
  private final State state;
  private final Reduced reduced;
  private final Trace trace;
  private final Set<StateLesson> open = ConcurrentHashMap.newKeySet();
  private final Set<StateSnapshot> snapshots = ConcurrentHashMap.newKeySet();
  // Of the share that the last snapshot had.
  private final Map<StateTensor, Block> spare = new ConcurrentHashMap<>();
  // An update waits for a chunk that is being read, and no chunk is read during an update.
  private final ReentrantReadWriteLock turns = new ReentrantReadWriteLock(true);
  private long steps;
  private Scalars scalars;
  private boolean closed;

  /**
   * @param threads that are idle when an update begins
   */
  Lessons(ComputeThreads threads, State state, Reduced reduced, Scalars scalars, Trace trace) {
    this.threads = threads;
    this.state = state;
    this.reduced = reduced;
    this.scalars = scalars;
    this.trace = trace;
  }

  /** This member learnt its own state, which has seen so many steps. */
  void resume(long after, Scalars with) {
    turns.writeLock().lock();
    try {
      steps = after;
      scalars = with;
    } finally {
      turns.writeLock().unlock();
    }
  }

  StateLesson begin(int share, int shares) {
    return read(
        after -> {
          StateLesson lesson =
              new StateLesson(this, state, reduced, share(state, share, shares), after, scalars);
          if (closed) {
            lesson.close();
          } else {
            open.add(lesson);
          }
          return lesson;
        });
  }

  /** A share of the state as it is now; by any thread. */
  StateSnapshot snapshot(int share, int shares) {
    List<Tensor> tensors = state.layout().segments().stream().map(Segment::tensor).toList();
    List<StateTensor> own =
        StateShares.of(tensors, name -> EncoderTensors.isTrained(state.frozen(), name), shares)
            .get(share);
    return read(
        after -> {
          spare.keySet().retainAll(Set.copyOf(own));
          StateSnapshot snapshot = new StateSnapshot(this, threads, state, own, spare);
          snapshots.add(snapshot);
          return snapshot;
        });
  }

  /** Every segment belongs to one share; they are about as large as each other. */
  static List<Integer> share(State state, int share, int shares) {
    List<Segment> segments = state.layout().segments();
    long all = segments.stream().mapToLong(segment -> segment.tensor().elements()).sum();
    List<Integer> own = new ArrayList<>();
    long before = 0;
    for (int s = 0; s < segments.size(); s++) {
      long elements = segments.get(s).tensor().elements();
      long middle = before + elements / 2;
      if (Math.min(shares - 1, middle * shares / all) == share) {
        own.add(s);
      }
      before += elements;
    }
    return List.copyOf(own);
  }

  /**
   * Reads while nothing is being updated.
   *
   * @param reader is given the number of steps that the state has seen
   */
  <T> T read(LongFunction<T> reader) {
    turns.readLock().lock();
    try {
      return reader.apply(steps);
    } finally {
      turns.readLock().unlock();
    }
  }

  /** Updates the state by a step, of which all lessons hear. By the step thread. */
  void update(StepResult outcome, Runnable update) {
    // All that a checkpoint has an update wait for.
    Trace.Span keeping = (snapshots.isEmpty() ? Trace.NONE : trace).begin("keep for a checkpoint");
    turns.writeLock().lock();
    try {
      try {
        if (outcome.applied()) {
          snapshots.forEach(StateSnapshot::keep);
        }
      } finally {
        keeping.end();
      }
      open.forEach(lesson -> lesson.record(outcome));
      update.run();
      steps = outcome.step() + 1;
      scalars = outcome.scalars();
    } finally {
      turns.writeLock().unlock();
    }
  }

  void ended(StateSnapshot snapshot) {
    snapshots.remove(snapshot);
  }

  void ended(StateLesson lesson) {
    open.remove(lesson);
  }

  /** Whether the state may still be read, seen from inside {@link #read}. */
  boolean isOpen() {
    return !closed;
  }

  @Override
  public void close() {
    turns.writeLock().lock();
    try {
      closed = true;
    } finally {
      turns.writeLock().unlock();
    }
    open.forEach(StateLesson::close);
  }
}
