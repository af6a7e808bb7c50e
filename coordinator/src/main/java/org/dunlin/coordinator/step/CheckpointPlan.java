package org.dunlin.coordinator.step;

/**
 * When a run is written into checkpoints, beside the times that somebody asks for one.
 *
 * @param everySteps 0: not by steps
 * @param atEpochEnd whether an epoch's last step has one
 * @param atStop whether a run that ends before its last step has one, to go on from
 * @param rewinds whether the run goes back to the newest when all that held its state are lost; to
 *     its beginning if there is none
 */
public record CheckpointPlan(long everySteps, boolean atEpochEnd, boolean atStop, boolean rewinds) {
  /** Never, and a run that loses its state fails. */
  public static final CheckpointPlan NONE = new CheckpointPlan(0, false, false, false);
}
