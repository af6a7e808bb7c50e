package org.dunlin.protocol.run;

import org.dunlin.protocol.run.ComputeSpec.Precision;

/** What a micro-batch takes on its way through the encoder, in bytes, by estimate. */
public final class ActivationBytes {
  private ActivationBytes() {}

  /**
   * Of a whole graph.
   *
   * @param writesAttentionOut whether scores of each two tokens are kept even without dropout
   */
  public static long graph(
      EncoderSpec spec, Precision precision, boolean writesAttentionOut, int rows, int tokens) {
    long all = (long) rows * tokens;
    long floats = all * spec.layers() * (16L * spec.hidden() + 3L * spec.feedForward());
    if (writesAttentionOut || spec.attentionDropout() > 0) {
      floats += 4L * all * tokens * spec.heads() * spec.layers();
    }
    return floats * Float.BYTES + casts(spec, precision);
  }

  // A graph holds the layers' weights in the factors' type, 2 bytes each, for its way back.
  private static long casts(EncoderSpec spec, Precision precision) {
    long weights = 4L * spec.hidden() * spec.hidden() + 2L * spec.hidden() * spec.feedForward();
    return precision == Precision.FP32 ? 0 : 2L * spec.layers() * weights;
  }

  /** Of what each layer was given, which is all that recomputation keeps. */
  public static long states(EncoderSpec spec, int rows, int tokens) {
    return (long) rows * tokens * (spec.layers() + 1) * spec.hidden() * Float.BYTES;
  }

  /**
   * Of the largest micro-batch that a run allows, on its way back.
   *
   * @param writesAttentionOut as in {@link #graph}
   */
  public static long most(RunSpec run, boolean writesAttentionOut) {
    BatchSpec batch = run.batch();
    int longest = Math.max(batch.queryMaxTokens(), batch.passageMaxTokens());
    long most = 0;
    for (int tokens = Integer.highestOneBit(longest); tokens > 0; tokens /= 2) {
      most = Math.max(most, of(run, writesAttentionOut, tokens));
    }
    return Math.max(most, of(run, writesAttentionOut, longest));
  }

  private static long of(RunSpec run, boolean writesAttentionOut, int tokens) {
    int rows = run.batch().mostRows(tokens);
    long graph = graph(run.encoder(), run.compute().precision(), writesAttentionOut, rows, tokens);
    return run.compute().recomputesLayers()
        ? states(run.encoder(), rows, tokens) + graph / run.encoder().layers()
        : graph;
  }
}
