package org.dunlin.coordinator.actor;

import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.Past;
import org.dunlin.data.feed.StepBatch;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.run.RunSpec;

/**
 * A run as its coordinator needs it.
 *
 * @param term of this coordinator
 * @param spec the run
 * @param version of this Dunlin; a worker of another one is refused
 * @param host of this coordinator, under which workers reach it
 * @param leaseMs how long a worker may be silent
 * @param admission who may take part
 * @param maxNonFiniteSteps steps in a row without a finite loss and gradient that end the run; 0:
 *     none do
 * @param windowTokens budget of the feed window, in real tokens
 * @param past what earlier terms have committed
 * @param cuts records of earlier terms, in their order
 * @param batches the plan's steps from the first that is not committed for sure, read on demand
 * @param initialState the parameters a worker starts from; asked once a worker
 * @param modelSink where the trained parameters go
 * @param records where records are made durable
 * @param ledger which samples each step used; whoever made it closes it after the run
 * @param watcher told of everything that happens, in order, on the actor's thread: must not block
 */
public record Run(
    Term term,
    RunSpec spec,
    String version,
    String host,
    int leaseMs,
    Admission admission,
    long maxNonFiniteSteps,
    long windowTokens,
    Past past,
    List<CutRecord> cuts,
    Source<StepBatch, NotUsed> batches,
    Supplier<Source<StateChunk, NotUsed>> initialState,
    ModelSink modelSink,
    RecordLog records,
    Ledger ledger,
    Consumer<RunEvent> watcher) {

  /** Keeps what time or a machine decided, so that the run can be told again. */
  public interface RecordLog {
    /** Completes when the record is on disk; fails if it cannot be. */
    CompletionStage<Void> append(CutRecord record);
  }

  /**
   * Keeps which samples each committed step used. Calls are carried out in their order, and do not
   * block.
   */
  public interface Ledger {
    /**
     * Says what a step is about to use, without waiting for the disk; what fails is told by the
     * next commit.
     *
     * @param sampleIds in the batch's order; not to be changed afterwards
     */
    void intend(long step, int epoch, Generation generation, long[] sampleIds);

    /**
     * Says that the step is final, with the samples of its newest intent.
     *
     * @param checksum of the reduced gradient
     * @return completes when both are on disk; fails if they cannot be
     */
    CompletionStage<Void> commit(long step, Generation generation, long checksum);
  }

  /** Writes a model folder, whole or not at all. */
  public interface ModelSink {
    /**
     * Takes all parameters and writes them.
     *
     * @param steps the number of updates they have seen
     * @return folder and SHA-256 of what was written; fails if it could not be
     */
    CompletionStage<RunEvent.Saved> save(
        long steps, Source<StateChunk, NotUsed> state, Materializer materializer);
  }
}
