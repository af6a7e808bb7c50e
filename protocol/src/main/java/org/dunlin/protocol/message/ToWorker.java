package org.dunlin.protocol.message;

import java.util.List;
import org.apache.pekko.stream.SourceRef;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.OnWire;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.batch.FeedItem;
import org.dunlin.protocol.run.RunSpec;

/** What the coordinator tells a worker. */
public sealed interface ToWorker extends OnWire {

  /**
   * The run.
   *
   * @param state the parameters it starts from, as a stream
   * @param pulse where this worker connects, and sends a byte several times a lease
   * @param leaseMs after a silence of so long, or at that connection's end, it counts as dead
   */
  record Welcome(Term term, RunSpec spec, SourceRef<StateChunk> state, Endpoint pulse, int leaseMs)
      implements ToWorker {}

  /**
   * A new generation begins with a step.
   *
   * @param firstStep the first step that it computes
   * @param roster all members, ascending by slots; every slot has one owner
   * @param feed headers of all steps and the batches of this worker's slots
   */
  record Assign(
      Term term, Generation generation, long firstStep, List<Seat> roster, SourceRef<FeedItem> feed)
      implements ToWorker {}

  /** The step is final: apply it. */
  record Commit(Term term, Generation generation, long step) implements ToWorker {}

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
