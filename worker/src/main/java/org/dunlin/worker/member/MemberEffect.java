package org.dunlin.worker.member;

import java.util.List;
import java.util.Optional;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.batch.StepHeader;
import org.dunlin.protocol.message.Recompute;
import org.dunlin.protocol.message.StepResult;

/** What a worker has to do, front to back. */
public sealed interface MemberEffect {
  /** Show that this worker lives, and wait to be needed. */
  record StandBy(String reason) implements MemberEffect {}

  /** Take the run's state into memory. */
  record Load() implements MemberEffect {}

  /** Tell the coordinator that the state is there. */
  record TellLoaded(Term term, String probe) implements MemberEffect {}

  /** Tell another coordinator what this worker holds. */
  record TellReturn(Generation generation, long steps, Optional<StepResult> prepared)
      implements MemberEffect {}

  /** Tell another coordinator that this worker is there, with nothing. */
  record TellJoin() implements MemberEffect {}

  /** Take the state from the teachers of a lesson, and follow it. */
  record Study(long lesson, int teachers) implements MemberEffect {}

  /** End the lesson: this worker goes on by itself. */
  record EndStudy() implements MemberEffect {}

  /** Teach the learner of a lesson a share of the state. */
  record Teach(long lesson, int share, int shares) implements MemberEffect {}

  /** Tell the coordinator that this learner could take part. */
  record TellCaughtUp(Term term, long lesson, long steps, String probe) implements MemberEffect {}

  /** Tell the coordinator that the lesson broke. */
  record TellLessonLost(Term term, long lesson, String why) implements MemberEffect {}

  /** Break off what is done for earlier generations; it will not be waited for. */
  record BreakOff(Generation next) implements MemberEffect {}

  /** Meet the generation's other members on the data plane. */
  record Meet(Generation generation) implements MemberEffect {}

  /**
   * Compute a step up to its reduced gradient.
   *
   * @param recompute what becomes of what was computed of it before
   */
  record Compute(Generation generation, StepHeader header, List<SlotBatch> own, Recompute recompute)
      implements MemberEffect {}

  /** Tell the coordinator that this member could apply the step. */
  record TellPrepared(Term term, Generation generation, StepResult result)
      implements MemberEffect {}

  /** Tell the coordinator that a micro-batch does not fit. */
  record TellMemoryShort(Term term, Generation generation, long step, int rows, int tokens)
      implements MemberEffect {}

  /** Tell the coordinator that a member of the generation cannot be reached. */
  record TellParted(Term term, Generation generation) implements MemberEffect {}

  /** Apply the reduced gradient of a step. */
  record Apply(long step) implements MemberEffect {}

  /** Write a share of the state as it is now, while training goes on. */
  record Snapshot(Term term, long number, long steps, int share, int shares)
      implements MemberEffect {}

  /** Tell the coordinator that a share of a checkpoint will not be written. */
  record TellPartLost(Term term, long number, String why) implements MemberEffect {}

  /** Send the parameters. */
  record Offer(Term term, long steps) implements MemberEffect {}

  /** Tell the coordinator that this worker cannot go on. */
  record TellBroken(String sentence) implements MemberEffect {}

  /** Tell the coordinator that this worker wants to leave. */
  record TellLeaving() implements MemberEffect {}

  /** Close everything and end. */
  record Stop(WorkerEnd end) implements MemberEffect {}

  /** An event that means nothing now, with the reason; it is counted. */
  record Discard(MemberEvent event, String why) implements MemberEffect {}
}
