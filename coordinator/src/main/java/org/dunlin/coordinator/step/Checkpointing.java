package org.dunlin.coordinator.step;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;

/**
 * Where a run is with its checkpoints. Immutable.
 *
 * @param newest steps of the newest complete one; 0 is the run's beginning
 * @param due whether the next commit has one
 * @param owed the newest state that had none because another one was being written
 * @param pending the one that is being written
 * @param begun how many this coordinator has begun, each with a number
 * @param history how often the run has gone back to one
 * @param inVain times in a row that it did without having got further since
 * @param furthest steps that were ever committed
 */
public record Checkpointing(
    long newest,
    boolean due,
    Optional<CheckpointPoint> owed,
    Optional<Pending> pending,
    long begun,
    long history,
    int inVain,
    long furthest) {
  static final Checkpointing NONE =
      new Checkpointing(0, false, Optional.empty(), Optional.empty(), 0, 0, 0, 0);

  /**
   * One that is being written.
   *
   * @param number of it: whatever was begun before with the same steps is another one
   * @param waited writers that have not written their share; empty once the manifest is written
   * @param parts that are written
   */
  public record Pending(
      long number, CheckpointPoint point, SortedSet<WorkerId> waited, List<CheckpointPart> parts) {
    Pending with(WorkerId writer, CheckpointPart part) {
      SortedSet<WorkerId> fewer = new TreeSet<>(waited);
      fewer.remove(writer);
      List<CheckpointPart> more = new ArrayList<>(parts);
      more.add(part);
      return new Pending(number, point, fewer, List.copyOf(more));
    }
  }

  Checkpointing withDue(boolean now) {
    return new Checkpointing(newest, now, owed, pending, begun, history, inVain, furthest);
  }

  /** Another one is being written: the next commit has one, or this state if it is the last. */
  Checkpointing owing(CheckpointPoint point) {
    return new Checkpointing(
        newest, true, Optional.of(point), pending, begun, history, inVain, furthest);
  }

  Checkpointing withPending(Optional<Pending> now) {
    return new Checkpointing(newest, due, owed, now, begun, history, inVain, furthest);
  }

  /** One is begun, of the next number. */
  Checkpointing begin(CheckpointPoint point, SortedSet<WorkerId> writers) {
    Pending one = new Pending(begun + 1, point, writers, List.of());
    return new Checkpointing(
        newest, false, Optional.empty(), Optional.of(one), begun + 1, history, inVain, furthest);
  }

  Checkpointing withNewest(long steps) {
    return new Checkpointing(
        Math.max(newest, steps),
        due,
        owed,
        pending,
        begun,
        history,
        inVain,
        Math.max(furthest, steps));
  }

  Checkpointing committed(long steps) {
    return steps > furthest
        ? new Checkpointing(newest, due, owed, pending, begun, history, 0, steps)
        : this;
  }

  /** Of a run whose steps from one on become others. */
  Checkpointing renounced(long fromStep) {
    return new Checkpointing(
        Math.min(newest, fromStep), due, owed, pending, begun, history, inVain, fromStep);
  }

  /** Of a run that goes back to one after so many steps. */
  Checkpointing rewound(long steps) {
    long back = steps < furthest ? history + 1 : history;
    return new Checkpointing(
        steps, false, Optional.empty(), Optional.empty(), begun, back, inVain + 1, furthest);
  }

  /** Of a run that was over, and goes on from one. */
  Checkpointing resumed(long steps) {
    Checkpointing back = rewound(steps);
    return new Checkpointing(
        steps, false, Optional.empty(), Optional.empty(), begun, back.history, 0, furthest);
  }

  /**
   * Of a coordinator that finds what others have done.
   *
   * @param begun a number above all of theirs, which a member may still wait for
   */
  static Checkpointing after(Past past, long begun) {
    return new Checkpointing(
        past.checkpoint(),
        false,
        Optional.empty(),
        Optional.empty(),
        begun,
        past.history(),
        0,
        past.steps());
  }
}
