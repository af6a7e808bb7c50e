package org.dunlin.protocol.message;

import java.util.List;
import java.util.Optional;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.stream.SourceRef;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.WorkerId;

/** What a worker tells the coordinator. */
public sealed interface ToCoordinator extends OnWire {

  /** Which worker speaks. */
  WorkerId worker();

  /**
   * A worker is there and wants to take part.
   *
   * @param version of its Dunlin; another than the coordinator's is refused
   * @param pid of its process
   * @param data where its peers reach its data plane
   * @param actor where it listens
   */
  record Join(WorkerId worker, String version, long pid, Endpoint data, ActorRef<ToWorker> actor)
      implements ToCoordinator {}

  /**
   * A worker that took part under an earlier coordinator is still there.
   *
   * @param join as if it came anew
   * @param generation its newest one
   * @param roster the members of that
   * @param steps updates that its state has seen
   * @param prepared what it could apply next; empty if it has nothing
   * @param probe as in {@link Loaded}
   */
  record Return(
      Join join,
      Generation generation,
      List<WorkerId> roster,
      long steps,
      Optional<StepResult> prepared,
      String probe)
      implements ToCoordinator {
    @Override
    public WorkerId worker() {
      return join.worker();
    }
  }

  /**
   * The state of the run is in this worker's memory.
   *
   * @param probe SHA-256 of what its kernels make of a fixed problem; equal ones compute equal bits
   */
  record Loaded(WorkerId worker, Term term, String probe) implements ToCoordinator {}

  /**
   * A learner holds the whole state, digest by digest its teachers', and follows their updates.
   *
   * @param lesson that taught it
   * @param steps updates that its state has seen so far
   * @param probe as in {@link Loaded}
   */
  record CaughtUp(WorkerId worker, Term term, long lesson, long steps, String probe)
      implements ToCoordinator {}

  /** A lesson broke off before this learner had taken part in a step; its state is of no use. */
  record LessonLost(WorkerId worker, Term term, long lesson, String why) implements ToCoordinator {}

  /** This worker has been asked to leave, and does once its slots have other owners. */
  record Leaving(WorkerId worker) implements ToCoordinator {}

  /** This worker holds the step's reduced gradient and could apply it. */
  record Prepared(WorkerId worker, Term term, Generation generation, StepResult result)
      implements ToCoordinator {}

  /**
   * A micro-batch of a step did not fit into this worker's memory.
   *
   * @param rows of it
   * @param tokens that each was padded to
   */
  record MemoryShort(
      WorkerId worker, Term term, Generation generation, long step, int rows, int tokens)
      implements ToCoordinator {}

  /** This worker cannot reach a member of its generation, which may be dead. */
  record Parted(WorkerId worker, Term term, Generation generation) implements ToCoordinator {}

  /** The parameters after {@code steps} updates, as a stream. */
  record Offered(WorkerId worker, Term term, long steps, SourceRef<StateChunk> state)
      implements ToCoordinator {}

  /**
   * A share of a checkpoint, to be written.
   *
   * @param number of the checkpoint
   * @param share from 0 to {@code shares - 1}
   * @param values tensor by tensor in the share's order, front to back
   */
  record ShareOffered(
      WorkerId worker, Term term, long number, int share, int shares, SourceRef<StateChunk> values)
      implements ToCoordinator {}

  /**
   * A share of a checkpoint lies on the disk, whole.
   *
   * @param number of the checkpoint
   */
  record PartWritten(WorkerId worker, Term term, long number, CheckpointPart part)
      implements ToCoordinator {}

  /** A share of a checkpoint could not be written. */
  record PartLost(WorkerId worker, Term term, long number, String why) implements ToCoordinator {}

  /** This worker cannot go on; the sentence says why. */
  record Broken(WorkerId worker, String sentence) implements ToCoordinator {}
}
