package org.dunlin.protocol.ledger;

import java.util.Arrays;
import org.dunlin.protocol.Generation;
import org.dunlin.protocol.Term;

/** One record of a run's ledger. A header comes first, and once a term. Immutable. */
public sealed interface LedgerRecord {

  /**
   * Whose ledger this is, and what it has to account for.
   *
   * @param run its name, for people
   * @param term of the coordinator that writes
   * @param steps that are planned
   * @param rows of the training data, all files together; sample ids are below
   * @param rowsPerEpoch how many of them an epoch uses, each once
   * @param dataSha256 of the training data, hexadecimal
   * @param weightsSha256 of the initial weights, hexadecimal
   */
  record Header(
      String run,
      Term term,
      long steps,
      long rows,
      long rowsPerEpoch,
      String dataSha256,
      String weightsSha256)
      implements LedgerRecord {
    public Header {
      if (rowsPerEpoch < 1 || rowsPerEpoch > rows || rows > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "rows per epoch: %d of %d (expected: 1 to all, of at most %d)"
                .formatted(rowsPerEpoch, rows, Integer.MAX_VALUE));
      }
    }

    /** Whether another term's header is of the same run. */
    public boolean isOfTheRunOf(Header other) {
      return dataSha256.equals(other.dataSha256)
          && weightsSha256.equals(other.weightsSha256)
          && rows == other.rows
          && rowsPerEpoch == other.rowsPerEpoch
          && steps == other.steps;
    }
  }

  /**
   * A step is about to use these samples. It may be said again, by a later generation: the newest
   * is what counts.
   *
   * @param step from 0
   * @param epoch from 0
   * @param generation that computes it
   * @param sampleIds in the batch's order
   */
  record Intent(long step, int epoch, Generation generation, long[] sampleIds)
      implements LedgerRecord {
    @Override
    public boolean equals(Object other) {
      return other instanceof Intent that
          && step == that.step
          && epoch == that.epoch
          && generation.equals(that.generation)
          && Arrays.equals(sampleIds, that.sampleIds);
    }

    @Override
    public int hashCode() {
      return Long.hashCode(step) + 31 * Arrays.hashCode(sampleIds);
    }
  }

  /**
   * A step is final, with the samples of its newest intent.
   *
   * @param step from 0
   * @param generation whose members agree
   * @param checksum of the reduced gradient that they hold
   */
  record Commit(long step, Generation generation, long checksum) implements LedgerRecord {}

  /**
   * All that held the state were lost, and the run goes on from a checkpoint. Steps that it commits
   * again must have the same content.
   *
   * @param steps that the checkpoint has seen
   * @param history how often the run has gone back, this time included
   */
  record Rewind(long steps, long history) implements LedgerRecord {}

  /**
   * A run that went back computes from a step on with smaller micro-batches than it had, because
   * memory is short: what was committed of those steps counts no more, and they use the same
   * samples to other bits.
   *
   * @param generation from which on it is so
   */
  record Renounce(long fromStep, Generation generation) implements LedgerRecord {}
}
