package org.dunlin.protocol.run;

import java.util.List;

/**
 * Which embeddings a text has beside its dense one.
 *
 * @param unified whether it has lexical weights (the sparse head) and token vectors (the
 *     multi-vector head), and all are trained together
 * @param vectorWidth width of a token vector; 0 without
 * @param silentIds token ids that stand for no word (cls, eos, pad, unk): they get no lexical
 *     weight; empty without
 */
public record HeadSpec(boolean unified, int vectorWidth, List<Integer> silentIds) {
  /** The dense embedding alone. */
  public static final HeadSpec DENSE = new HeadSpec(false, 0, List.of());

  public HeadSpec {
    silentIds = List.copyOf(silentIds);
    if (unified) {
      Check.atLeast("colbert_dim", vectorWidth, 1);
    } else if (vectorWidth != 0 || !silentIds.isEmpty()) {
      throw new IllegalArgumentException(
          "token vectors of width %d and %d silent ids without unified fine-tuning (expected: none)"
              .formatted(vectorWidth, silentIds.size()));
    }
  }

  /** All three heads. */
  public static HeadSpec unified(int vectorWidth, List<Integer> silentIds) {
    return new HeadSpec(true, vectorWidth, silentIds);
  }
}
