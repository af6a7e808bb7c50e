package org.dunlin.coordinator.report;

import java.util.List;
import java.util.Map;

/** One thing that happened in a run, in the order in which it happened. */
public sealed interface RunEvent {

  /**
   * One process of the run.
   *
   * @param role supervisor, coordinator, worker or media-driver
   * @param name of that process, unique within its role
   * @param incarnation which life of that name, from 1
   * @param pid the operating system's number for it
   * @param node its address in the run's cluster, if it is in one and that is known; otherwise ""
   */
  record Member(String role, String name, long incarnation, long pid, String node) {
    /** One whose place in the cluster does not matter. */
    public Member(String role, String name, long incarnation, long pid) {
      this(role, name, incarnation, pid, "");
    }
  }

  /** The processes that make up the run have changed; this is all of them. */
  record Processes(List<Member> processes) implements RunEvent {}

  /** All workers are there and the first step begins. */
  record Started(long steps, int workers) implements RunEvent {}

  /**
   * A step is final.
   *
   * @param step from 0
   * @param epoch from 0
   * @param loss mean over the global batch's queries
   * @param gradientNorm before clipping
   * @param learningRate of this update
   * @param applied false if the step was skipped because its gradient was not finite
   * @param lossScale of the next step; 1 unless the precision is fp16
   * @param notFinite steps in a row, this one included, whose loss or gradient was not finite;
   *     overflows of fp16 that a smaller loss scale mends are none
   * @param pairs queries of the batch
   * @param tokens real tokens of the batch
   * @param paddedTokens the same with what padding costs, in tokens' worth of work
   * @param seconds since the commit before, or since {@link Started}
   */
  record StepCommitted(
      long step,
      int epoch,
      double loss,
      double gradientNorm,
      double learningRate,
      boolean applied,
      double lossScale,
      long notFinite,
      int pairs,
      long tokens,
      long paddedTokens,
      double seconds)
      implements RunEvent {}

  /**
   * A worker is lost and the run goes on without it.
   *
   * @param members who are left
   */
  record Missed(String worker, String why, int members) implements RunEvent {}

  /**
   * Memory ran out: from this step on, micro-batches of texts of {@code minTokens} or more have at
   * most {@code mostTokens}, on every worker.
   */
  record Recorded(long fromStep, int minTokens, int mostTokens) implements RunEvent {}

  /** Something that a person should know of; the run goes on. */
  record Noted(String sentence) implements RunEvent {}

  /** A checkpoint of the state after so many steps is complete. */
  record Checkpointed(long steps, String folder) implements RunEvent {}

  /**
   * The model after so many steps was measured on held-out data.
   *
   * @param metric the name of the one that decides
   * @param figure its value
   * @param isBest whether no earlier one was as good
   * @param figures all of them, by name
   * @param seconds that it took
   */
  record Evaluated(
      long steps,
      String metric,
      double figure,
      boolean isBest,
      Map<String, Double> figures,
      double seconds)
      implements RunEvent {}

  /** The model of a step was written whole. */
  record Saved(long steps, String folder, String sha256) implements RunEvent {}

  /** The run ended as planned, or early because a person asked for it. */
  record Finished(long steps, boolean early) implements RunEvent {}

  /** The run cannot go on; the sentence says why. */
  record Failed(String sentence) implements RunEvent {}
}
