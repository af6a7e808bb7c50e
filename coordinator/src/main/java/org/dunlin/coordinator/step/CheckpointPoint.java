package org.dunlin.coordinator.step;

import org.dunlin.protocol.run.Scalars;

/**
 * Where a run is between two steps, beside its tensors: what a checkpoint must know to go on.
 *
 * @param steps that the state has seen
 * @param scalars of the state
 * @param checksum of the last step's reduced gradient; 0 before the first one
 * @param notFinite steps in a row, up to here, whose loss or gradient was not finite
 */
public record CheckpointPoint(long steps, Scalars scalars, long checksum, long notFinite) {}
