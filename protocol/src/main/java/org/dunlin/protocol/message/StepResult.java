package org.dunlin.protocol.message;

import java.util.List;
import org.dunlin.protocol.run.Scalars;

/**
 * What a member knows of a step once its gradient is reduced. All members know the same, bit for
 * bit, but for the loss, of which each knows its own slots' share, and its own time.
 *
 * @param step from 0
 * @param checksum the lower half over the reduced gradient and the scalars below, the upper half
 *     over a part of the state as it was before this step's update, another part each step
 * @param applied false if the gradient was not finite: the step is then skipped, and the checksum
 *     covers that fact and the scalars, because bytes of NaNs are never compared
 * @param gradientNorm of the whole gradient before clipping, L2
 * @param scalars as they are once the step is committed
 * @param slotLosses {@code [own slots]}: each slot's share of the mean over the global batch
 * @param busyMs how long this member computed, without waiting for others; 0 if it is not known
 * @param digests of the own slots that are not empty, ascending, where they are to be shown; else
 *     empty
 */
public record StepResult(
    long step,
    long checksum,
    boolean applied,
    double gradientNorm,
    Scalars scalars,
    double[] slotLosses,
    double busyMs,
    List<SlotDigest> digests) {
  private static final long GRADIENT = 0xffff_ffffL;

  public StepResult {
    digests = List.copyOf(digests);
  }

  /** Of a step whose slots are not shown. */
  public StepResult(
      long step,
      long checksum,
      boolean applied,
      double gradientNorm,
      Scalars scalars,
      double[] slotLosses,
      double busyMs) {
    this(step, checksum, applied, gradientNorm, scalars, slotLosses, busyMs, List.of());
  }

  /** Both halves of {@link #checksum}. */
  public static long checksum(int ofGradient, int ofState) {
    return ((long) ofState << Integer.SIZE) | (ofGradient & GRADIENT);
  }

  /** The half that members share whose kernels update the state to other bits. */
  public long gradientChecksum() {
    return checksum & GRADIENT;
  }
}
