package org.dunlin.coordinator.actor;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import org.apache.pekko.NotUsed;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.javadsl.Source;
import org.dunlin.coordinator.report.RunEvent;
import org.dunlin.coordinator.step.Admission;
import org.dunlin.coordinator.step.AuditPlan;
import org.dunlin.coordinator.step.CheckpointPlan;
import org.dunlin.coordinator.step.CheckpointPoint;
import org.dunlin.coordinator.step.CutRecord;
import org.dunlin.coordinator.step.EvaluationPlan;
import org.dunlin.coordinator.step.Past;
import org.dunlin.coordinator.step.RunRecord;
import org.dunlin.data.feed.StepBatch;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;
import org.dunlin.protocol.message.CheckpointPart;
import org.dunlin.protocol.message.StateChunk;
import org.dunlin.protocol.message.ToCoordinator;
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
 * @param resumes where a run goes on that was over; empty if it begins, or workers of an earlier
 *     term may hold its state
 * @param plan of its checkpoints
 * @param checkpointEvery besides, by the clock; zero: not
 * @param evaluationPlan of its evaluations
 * @param auditPlan of its audits
 * @param evaluator measures checkpoints
 * @param batches the plan's steps from one on, read on demand
 * @param checkpoints where the state is kept, at its beginning too
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
    Optional<CheckpointPoint> resumes,
    CheckpointPlan plan,
    Duration checkpointEvery,
    EvaluationPlan evaluationPlan,
    AuditPlan auditPlan,
    Evaluator evaluator,
    List<CutRecord> cuts,
    LongFunction<Source<StepBatch, NotUsed>> batches,
    Checkpoints checkpoints,
    ModelSink modelSink,
    RecordLog records,
    Ledger ledger,
    Consumer<RunEvent> watcher) {

  /** Keeps what time or a machine decided, so that the run can be told again. */
  public interface RecordLog {
    /**
     * Records are written in the order of the calls.
     *
     * @return completes when the record is on disk; fails if it cannot be
     */
    CompletionStage<Void> append(RunRecord record);
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

    /**
     * Says that the run goes on from a checkpoint, without waiting for the disk.
     *
     * @param history how often it has gone back
     */
    void rewind(long steps, long history);

    /**
     * Says that what was committed from a step on counts no more, without waiting for the disk.
     *
     * @param generation from which on it is so
     */
    void renounce(long fromStep, Generation generation);
  }

  /**
   * Keeps the whole state on disk, at some steps. Calls are carried out in their order, and do not
   * block; what fails is a {@link org.dunlin.protocol.Refusal}.
   */
  public interface Checkpoints {
    /**
     * Makes the folder into which members write their shares.
     *
     * @return its path; empty where there is a complete checkpoint of that step already
     */
    CompletionStage<Optional<String>> begin(long steps);

    /** Whether members write into that folder; else they send their shares. */
    boolean membersWrite();

    /** Whether they outlive this machine's disk: there are copies, or they do not lie on it. */
    boolean hasCopies();

    /**
     * Writes a share of the one that was begun last, as the member itself would.
     *
     * @return completes when it is on disk; fails with a Refusal if the disk does not take it, and
     *     otherwise if the member does not send it to its end
     */
    CompletionStage<CheckpointPart> write(
        long steps, ToCoordinator.ShareOffered share, Materializer materializer);

    /**
     * Completes one, copies it if there is a place for copies, and removes those that need not be
     * kept.
     *
     * @param epoch of the next step
     * @param told hears in a sentence that there is no copy, which is no failure
     * @return its folder
     */
    CompletionStage<String> complete(
        CheckpointPoint point,
        int epoch,
        long history,
        List<CutRecord> cuts,
        List<CheckpointPart> parts,
        Consumer<String> told);

    /** From now on these are not removed for their age, and no others but by the settings. */
    void hold(SortedSet<Long> steps);

    /** Removes all of more steps than these, because the run's steps will be others. */
    void dropAfter(long steps);

    /** Removes what there is of one that will not be complete. */
    void abandon(long steps);

    /**
     * Finds the newest complete one whose files are whole; the run's beginning if there is none.
     *
     * @param skipped hears of those that are not, in sentences
     */
    CompletionStage<CheckpointPoint> newest(Consumer<String> skipped);

    /** The state at one of them, or at the run's beginning; asked once a worker. */
    Source<StateChunk, NotUsed> state(long steps);
  }

  /** Measures models on held-out data. Calls are carried out in their order, and do not block. */
  public interface Evaluator {
    /** What it measures with: the SHA-256 of data and settings; empty if it never measures. */
    String set();

    /**
     * Measures the model in a checkpoint.
     *
     * @return fails with a sentence if it cannot be measured, after some attempts
     */
    CompletionStage<Evaluation> measure(long steps);
  }

  /**
   * What an evaluation found.
   *
   * @param metric the name of the one that decides
   * @param score what it comes to; greater is better
   * @param figures all of them, by name
   * @param seconds that it took
   */
  public record Evaluation(
      String metric, double score, Map<String, Double> figures, double seconds) {}

  /** Writes a model folder, whole or not at all. */
  public interface ModelSink {
    /**
     * Takes all parameters and writes them.
     *
     * @param steps the number of updates they have seen
     * @param isDone whether no step is left to be computed
     * @return folder and SHA-256 of what was written; fails if it could not be
     */
    CompletionStage<RunEvent.Saved> save(
        long steps, boolean isDone, Source<StateChunk, NotUsed> state, Materializer materializer);
  }
}
