package org.dunlin.coordinator.step;

import java.util.List;
import java.util.Optional;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StepResult;

/** What can happen to a run, seen from its coordinator. Each may come late or more than once. */
public sealed interface Event {
  /** A worker is there; its version has been found equal. */
  record Joined(WorkerId worker) implements Event {}

  /**
   * A worker holds the run's state.
   *
   * @param probe of its kernels
   */
  record Loaded(WorkerId worker, Term term, String probe) implements Event {}

  /**
   * A learner holds the state after some steps, and follows.
   *
   * @param probe of its kernels
   */
  record CaughtUp(WorkerId worker, Term term, long lesson, long steps, String probe)
      implements Event {}

  /** What a learner has is of no use: its lesson broke. */
  record LessonLost(WorkerId worker, Term term, long lesson, String why) implements Event {}

  /**
   * A member of an earlier term's generation is there.
   *
   * @param generation its newest one
   * @param roster of that
   * @param steps updates that its state has seen
   * @param prepared what it could apply next
   */
  record Returned(
      WorkerId worker,
      Generation generation,
      List<WorkerId> roster,
      long steps,
      Optional<StepResult> prepared,
      String probe)
      implements Event {
    public Returned {
      roster = List.copyOf(roster);
    }
  }

  /** Those that live have had the time to come back. */
  record RosterWaited() implements Event {}

  /** A worker shall go, in order: it asked for that itself, or a person did. */
  record LeaveAsked(WorkerId worker) implements Event {}

  /**
   * A step is durable in the ledger.
   *
   * @param endsEpoch whether the next one belongs to another epoch
   */
  record Ledgered(long step, boolean endsEpoch) implements Event {}

  /** A person or a clock wants a checkpoint. */
  record CheckpointDue() implements Event {}

  /** A member has written its share of a checkpoint. */
  record PartWritten(WorkerId worker, Term term, long number, CheckpointPart part)
      implements Event {}

  /** A member could not write it. */
  record PartLost(WorkerId worker, Term term, long number, String why) implements Event {}

  /** A checkpoint is complete. */
  record CheckpointWritten(long steps) implements Event {}

  /** A checkpoint's manifest could not be written. */
  record CheckpointFailed(long steps, String sentence) implements Event {}

  /**
   * What a checkpoint was measured with is on record.
   *
   * @param figure greater is better; no number if it could not be measured
   */
  record Measured(long number, long steps, double figure) implements Event {}

  /** The newest complete one; the run's first state if there is none. */
  record CheckpointFound(CheckpointPoint point) implements Event {}

  /** A member holds a step's reduced gradient. */
  record Prepared(WorkerId worker, Term term, Generation generation, StepResult result)
      implements Event {}

  /** A micro-batch of the open step did not fit into a member's memory. */
  record MemoryShort(
      WorkerId worker, Term term, Generation generation, long step, int rows, int tokens)
      implements Event {}

  /** A member cannot reach another one, which may be dead. */
  record Parted(WorkerId worker, Term term, Generation generation) implements Event {}

  /** A lease has passed since a generation was found parted. */
  record Waited(Generation generation) implements Event {}

  /** A record is durable. */
  record Recorded(CutRecord cut) implements Event {}

  /** A member sends the parameters. */
  record Offered(WorkerId worker, Term term, long steps) implements Event {}

  /** The parameters lie in the run folder, whole. */
  record Saved(long steps) implements Event {}

  /** The parameters that a member sent could not be taken to the disk. */
  record SaveFailed(WorkerId worker, String sentence) implements Event {}

  /**
   * A worker is gone, or says that it cannot go on.
   *
   * @param ownWord whether it said so itself
   */
  record Lost(WorkerId worker, String why, boolean ownWord) implements Event {
    /** Of one that said nothing. */
    public Lost(WorkerId worker, String why) {
      this(worker, why, false);
    }
  }

  /** A person wants the run to end soon, with what it has learnt so far. */
  record StopAsked() implements Event {}

  /** The coordinator's own part failed: the data ended in an error, the disk is full. */
  record Broken(String sentence) implements Event {}
}
