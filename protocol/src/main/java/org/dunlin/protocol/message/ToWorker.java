package org.dunlin.protocol.message;

import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.stream.SourceRef;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.run.RunSpec;
import org.dunlin.protocol.run.Scalars;

/** What the coordinator tells a worker, and members a learner. */
public sealed interface ToWorker extends OnWire {

  /**
   * The run, at its beginning or at one of its checkpoints.
   *
   * @param steps that the state has seen
   * @param scalars of the state
   * @param state parameters, and moments unless they are zero, as a stream
   * @param pulse where this worker connects, and sends a byte several times a lease
   * @param leaseMs after a silence of so long, or at that connection's end, it counts as dead
   */
  record Welcome(
      Term term,
      RunSpec spec,
      long steps,
      Scalars scalars,
      SourceRef<StateChunk> state,
      Endpoint pulse,
      int leaseMs)
      implements ToWorker {}

  /**
   * From now on a worker of an earlier term obeys this one; its next generation follows.
   *
   * @param pulse as in {@link Welcome}
   * @param leaseMs as in {@link Welcome}
   */
  record Recognize(Term term, Endpoint pulse, int leaseMs) implements ToWorker {}

  /**
   * The run is under way: learn its state from members, who are told to {@link Teach} it.
   *
   * @param lesson its number, rising; an older one is over
   * @param generation the newest one, which this worker has no part in
   * @param teachers how many; each teaches one share of the state
   * @param pulse as in {@link Welcome}
   * @param leaseMs as in {@link Welcome}
   */
  record Learn(
      Term term,
      long lesson,
      Generation generation,
      int teachers,
      RunSpec spec,
      Endpoint pulse,
      int leaseMs)
      implements ToWorker {}

  /**
   * Teach a learner a share of the state.
   *
   * @param learner where it listens for the {@link Lesson}
   * @param share from 0 to {@code shares - 1}
   */
  record Teach(Term term, ActorRef<ToWorker> learner, long lesson, int share, int shares)
      implements ToWorker {}

  /** From a member to a learner: a share of the state, and then what each step makes of it. */
  record Lesson(Term term, long lesson, int share, SourceRef<LessonItem> items)
      implements ToWorker {}

  /**
   * A new generation begins with a step.
   *
   * @param firstStep the first step that it computes
   * @param roster all members, ascending by slots; every slot has one owner
   * @param recompute what is computed in the first step
   * @param feed headers of all steps and the batches of this worker's slots
   */
  record Assign(
      Term term,
      Generation generation,
      long firstStep,
      List<Seat> roster,
      Recompute recompute,
      SourceRef<FeedItem> feed)
      implements ToWorker {}

  /** The step is final: apply it. */
  record Commit(Term term, Generation generation, long step) implements ToWorker {}

  /**
   * Keep a share of the state as it is after {@code steps} updates, for a checkpoint; an older one
   * that was kept is of no use any more.
   *
   * @param number of the checkpoint, rising over a term
   * @param share from 0 to {@code shares - 1}
   */
  record Checkpoint(Term term, long number, long steps, int share, int shares)
      implements ToWorker {}

  /**
   * Write what was kept for a checkpoint.
   *
   * @param folder of the checkpoint, which coordinator and members see; empty: it is not needed
   */
  record WriteShare(Term term, long number, String folder) implements ToWorker {}

  /** Send what was kept for a checkpoint, which the coordinator writes. */
  record SendShare(Term term, long number) implements ToWorker {}

  /** Send the parameters as they are after {@code steps} updates. */
  record Export(Term term, long steps) implements ToWorker {}

  /**
   * The run needs no more workers now; this one waits, and may be welcomed later.
   *
   * @param pulse as in {@link Welcome}
   * @param leaseMs as in {@link Welcome}
   * @param reason a sentence
   */
  record Park(Term term, Endpoint pulse, int leaseMs, String reason) implements ToWorker {}

  /**
   * The run is over, or goes on without this worker.
   *
   * @param reason a sentence
   * @param refused whether the worker is at fault, or has been taken for dead
   */
  record Leave(Term term, String reason, boolean refused) implements ToWorker {}
}
