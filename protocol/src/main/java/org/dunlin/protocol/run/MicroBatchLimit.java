package org.dunlin.protocol.run;

/**
 * A tighter limit for long texts: found by probing before a run, or a record of it because memory
 * ran out.
 *
 * @param minTokens it holds for micro-batches that are padded to this many tokens or more
 * @param mostTokens of such a micro-batch, padding included; a single row passes in any case
 */
public record MicroBatchLimit(int minTokens, int mostTokens) {
  public MicroBatchLimit {
    Check.atLeast("micro-batch.by-length: length", minTokens, 1);
    Check.atLeast("micro-batch.by-length: tokens", mostTokens, 1);
  }

  /**
   * What follows when a micro-batch did not fit: half of it, for its length and longer ones.
   *
   * @param rows of it, at least 2
   * @param tokens that each was padded to
   */
  public static MicroBatchLimit halving(int rows, int tokens) {
    // Lengths just below would fail next, one after the other.
    return new MicroBatchLimit(Integer.highestOneBit(tokens), Math.max(1, rows / 2) * tokens);
  }
}
