package org.dunlin.worker.step;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import org.dunlin.protocol.batch.SlotBatch;
import org.dunlin.protocol.run.EncoderSpec;

/**
 * What passes the encoder at once, as arrays.
 *
 * @param rows their numbers in the slot
 * @param tokens padded length
 * @param ids int64 [rows, tokens]
 * @param lengths int64 [rows]
 * @param keys int64 [rows] for dropout, or empty
 */
record MicroBatch(int[] rows, int tokens, NDArray ids, NDArray lengths, NDArray keys) {

  /** Builds the arrays of one of a slot's micro-batches. */
  static MicroBatch of(
      NDManager manager, SlotBatch batch, int number, EncoderSpec encoder, long seed) {
    int[] rows = batch.microBatches()[number];
    int tokens = batch.paddedTokens(number);
    int[][] texts = new int[rows.length][];
    long[] keys = new long[rows.length];
    for (int r = 0; r < rows.length; r++) {
      texts[r] = batch.tokenIds()[rows[r]];
      keys[r] = RowKeys.of(seed, batch.step(), batch.rowNumber(rows[r]));
    }
    boolean drops = encoder.hiddenDropout() > 0 || encoder.attentionDropout() > 0;
    return of(manager, texts, rows, tokens, encoder.padId(), drops ? keys : new long[0]);
  }

  static MicroBatch of(
      NDManager manager, int[][] texts, int[] rows, int tokens, int padId, long[] keys) {
    long[] ids = new long[texts.length * tokens];
    Arrays.fill(ids, padId);
    long[] lengths = new long[texts.length];
    for (int r = 0; r < texts.length; r++) {
      lengths[r] = texts[r].length;
      for (int t = 0; t < texts[r].length; t++) {
        ids[r * tokens + t] = texts[r][t];
      }
    }
    return new MicroBatch(
        rows,
        tokens,
        manager.create(ids, new Shape(texts.length, tokens)),
        manager.create(lengths),
        manager.create(keys, new Shape(keys.length)));
  }

  void close() {
    new NDList(ids, lengths, keys).close();
  }
}
