package org.dunlin.coordinator.step;

import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.WorkerId;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.run.Scalars;

/** What has to be done, front to back: a list of them is carried out in its order. */
public sealed interface Effect {
  /** Tell a worker that it is not needed now, and to wait. */
  record Park(WorkerId worker, String reason) implements Effect {}

  /** Send the run and its state to a worker. */
  record Welcome(WorkerId worker) implements Effect {}

  /** Take a member of an earlier term over into this one. */
  record Recognize(WorkerId worker) implements Effect {}

  /** Wait until those of an earlier term that live must have come back. */
  record AwaitRoster() implements Effect {}

  /** Have a worker taught the run's state by members, each a share of it. */
  record Teach(WorkerId learner, long lesson, Generation generation, List<WorkerId> teachers)
      implements Effect {}

  /**
   * Send the generation's shares to all its members and feed them from a step on.
   *
   * @param recompute what they compute in that step
   */
  record Assign(Generation generation, long firstStep, List<Share> shares, Recompute recompute)
      implements Effect {}

  /**
   * Make it durable that the step counts, with its samples.
   *
   * @param checksum of its reduced gradient and scalars
   * @param due the state after it, if that will be measured: first to be made durable
   */
  record Ledger(Generation generation, long step, long checksum, Optional<CheckpointPoint> due)
      implements Effect {}

  /**
   * Tell all members that the step is final.
   *
   * @param members of the generation that are left
   * @param loss mean over the global batch
   * @param gradientNorm before clipping
   * @param applied false if the step was skipped
   * @param scalars of the state from now on
   * @param notFinite steps in a row, this one included, whose loss or gradient was not finite
   */
  record Commit(
      Generation generation,
      long step,
      List<WorkerId> members,
      double loss,
      double gradientNorm,
      boolean applied,
      Scalars scalars,
      long notFinite)
      implements Effect {}

  /** Make a record durable, then cut micro-batches by it from its step on. */
  record Write(CutRecord cut) implements Effect {}

  /** Wait a lease: whoever parted the generation is found dead by then, or is alive. */
  record Wait(Generation generation) implements Effect {}

  /** Ask a member for the parameters after so many updates. */
  record AskState(WorkerId worker, long steps) implements Effect {}

  /**
   * Have members write a checkpoint of the state after so many steps.
   *
   * @param number of the checkpoint, rising
   * @param writers each of a share, in this order
   */
  record Snapshot(long number, long steps, List<WorkerId> writers) implements Effect {}

  /** All of a checkpoint's parts are written: make it complete. */
  record WriteManifest(CheckpointPoint point, List<CheckpointPart> parts) implements Effect {}

  /** Remove what there is of a checkpoint that will not be complete. */
  record Abandon(long steps) implements Effect {}

  /** Measure the model in a complete checkpoint. */
  record Measure(long number, long steps) implements Effect {}

  /** Record that a state is not measured. */
  record LeaveUnmeasured(long number, long steps, String why) implements Effect {}

  /** From now on keep these checkpoints, however old they are, and no others for that. */
  record KeepCheckpoints(SortedSet<Long> steps) implements Effect {}

  /** Look for the newest complete checkpoint whose files are whole. */
  record FindCheckpoint() implements Effect {}

  /**
   * Go on from there: workers are welcomed with that state, and the feed begins there.
   *
   * @param history how often the run has gone back
   */
  record Rewind(CheckpointPoint point, long history) implements Effect {}

  /**
   * What was committed from a step on counts no more: it is computed again to other bits. Nor do
   * checkpoints of more steps.
   *
   * @param generation that begins with it
   */
  record Renounce(long fromStep, Generation generation) implements Effect {}

  /**
   * Write the parameters that a member offers.
   *
   * @param isDone whether no step is left to be computed
   */
  record Save(WorkerId worker, long steps, boolean isDone) implements Effect {}

  /** The run goes on without a worker. */
  record Miss(WorkerId worker, String why, int members) implements Effect {}

  /** Send a worker away, in order. */
  record Dismiss(WorkerId worker, String reason) implements Effect {}

  /** Send a worker away that does not fit, or was taken for dead. */
  record Refuse(WorkerId worker, String reason) implements Effect {}

  /** Tell a person something; the run goes on. */
  record Note(String sentence) implements Effect {}

  /** The run is over; early if a person asked for it. */
  record Finish(long steps, boolean early) implements Effect {}

  /**
   * The run cannot go on.
   *
   * @param namesSamples whether the samples of the step committed last belong to the sentence
   */
  record Fail(String sentence, boolean namesSamples) implements Effect {}

  /** An event that means nothing now, with the reason; it is counted. */
  record Discard(Event event, String why) implements Effect {}
}
