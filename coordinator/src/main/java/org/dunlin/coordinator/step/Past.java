package org.dunlin.coordinator.step;

/**
 * What coordinators of earlier terms have committed, as the ledger tells it.
 *
 * @param steps how many
 * @param checksum of the last of them; 0 if there is none
 */
public record Past(long steps, long checksum) {
  /** Of a run that begins. */
  public static final Past NONE = new Past(0, 0);
}
