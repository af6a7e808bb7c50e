package org.dunlin.worker.member;

import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;

/** What can happen to a worker. What comes from the coordinator may come late or repeated. */
public sealed interface MemberEvent {
  /** The coordinator of a term needs no more workers now. */
  record Parked(Term term, String reason) implements MemberEvent {}

  /** The coordinator of a term sent the run, with the state after so many steps. */
  record Welcomed(Term term, long steps) implements MemberEvent {}

  /**
   * The run's state is in memory.
   *
   * @param probe of this machine's kernels
   */
  record StateLoaded(String probe) implements MemberEvent {}

  /** Another coordinator is there, because the one before is dead. */
  record CoordinatorChanged() implements MemberEvent {}

  /** That one has taken this worker over. */
  record Recognized(Term term) implements MemberEvent {}

  /**
   * The run is under way, and members have been told to teach this worker its state.
   *
   * @param generation the newest one, of which this worker is no member
   */
  record LearnAsked(Term term, long lesson, Generation generation, int teachers)
      implements MemberEvent {}

  /** This member shall teach a share of the state. */
  record TeachAsked(Term term, long lesson, int share, int shares) implements MemberEvent {}

  /**
   * The state of all teachers' shares has been brought to the same number of updates.
   *
   * @param whole whether nothing of it is missing, and all digests agree
   * @param probe of this machine's kernels
   */
  record Followed(long lesson, long steps, boolean whole, String probe) implements MemberEvent {}

  /** A teacher is gone, or was too slow to be followed. */
  record LessonBroke(long lesson, String why) implements MemberEvent {}

  /**
   * A generation begins; this worker owns slots {@code firstSlot} to {@code + slots - 1}.
   *
   * @param recompute what is computed in its first step
   */
  record Assigned(
      Term term,
      Generation generation,
      long firstStep,
      int firstSlot,
      int slots,
      Recompute recompute)
      implements MemberEvent {}

  /** The generation's members can reach each other. */
  record Met(Generation generation) implements MemberEvent {}

  /** A header or a slot's batch of some step arrived. */
  record Fed(Generation generation, FeedItem item) implements MemberEvent {}

  /** The step's gradient is reduced; nothing has been applied yet. */
  record Computed(Generation generation, StepResult result) implements MemberEvent {}

  /** A micro-batch of the step did not fit into memory; nothing has been applied. */
  record MemoryShort(Generation generation, long step, int rows, int tokens)
      implements MemberEvent {}

  /** The generation's members cannot reach each other, or no longer. */
  record Parted(Generation generation, String why) implements MemberEvent {}

  /** The coordinator says that the step is final. */
  record Committed(Term term, Generation generation, long step) implements MemberEvent {}

  /** The update of a step has been applied. */
  record Applied(long step) implements MemberEvent {}

  /** The coordinator wants a share of the state after so many updates in a checkpoint. */
  record CheckpointAsked(Term term, long number, long steps, int share, int shares)
      implements MemberEvent {}

  /** The coordinator wants the parameters after so many updates. */
  record StateAsked(Term term, long steps) implements MemberEvent {}

  /** The coordinator sends this worker away; {@code refused} where that is not in order. */
  record Dismissed(Term term, String reason, boolean refused) implements MemberEvent {}

  /** A person wants this worker to leave, in order. */
  record LeaveAsked() implements MemberEvent {}

  /** The worker's own part failed. */
  record Failed(String sentence) implements MemberEvent {}
}
