package org.dunlin.coordinator.step;

import org.dunlin.protocol.Generation;

/**
 * What coordinators of earlier terms have committed, as the ledger tells it.
 *
 * @param steps how many
 * @param checksum of the last of them; 0 if there is none
 * @param checkpoint steps of the newest complete checkpoint; 0 if there is none
 * @param history how often the run has gone back to one
 * @param since the generation before which nobody's state is of use: the run renounced what those
 *     had committed
 * @param evaluations as the records tell them
 */
public record Past(
    long steps,
    long checksum,
    long checkpoint,
    long history,
    Generation since,
    Evaluations evaluations) {
  /** Of a run that begins. */
  public static final Past NONE = new Past(0, 0, 0, 0, new Generation(0), Evaluations.NONE);
}
