package org.dunlin.worker.loss;

import java.util.Arrays;
import org.dunlin.protocol.run.HeadSpec;

/**
 * Where texts' embeddings lie in flat buffers, one text after the other: a dense one of a fixed
 * width, and where there are heads a lexical weight a token and a vector for each token but the
 * first (cls). Immutable.
 */
public final class Places {
  private final int denseWidth;
  private final int vectorWidth;
  private final int rows;
  private final int[] tokenAt; // [rows + 1]; empty with the dense embedding alone

  private Places(int denseWidth, int vectorWidth, int rows, int[] tokenAt) {
    this.denseWidth = denseWidth;
    this.vectorWidth = vectorWidth;
    this.rows = rows;
    this.tokenAt = tokenAt;
  }

  /**
   * Lays texts out.
   *
   * @param tokens real tokens of each text; only looked at where there are heads
   */
  public static Places of(int denseWidth, HeadSpec heads, int rows, int[] tokens) {
    if (!heads.unified()) {
      return new Places(denseWidth, 0, rows, new int[0]);
    }
    if (tokens.length != rows) {
      throw new IllegalArgumentException(
          "lengths: %d (expected: one for each of %d rows)".formatted(tokens.length, rows));
    }
    int[] at = new int[rows + 1];
    for (int row = 0; row < rows; row++) {
      at[row + 1] = Math.addExact(at[row], tokens[row]);
    }
    return new Places(denseWidth, heads.vectorWidth(), rows, at);
  }

  /** The same texts from a first one on, as a room of their own. */
  Places from(int first, int end) {
    int[] at =
        tokenAt.length == 0
            ? tokenAt
            : Arrays.stream(tokenAt, first, end + 1).map(t -> t - tokenAt[first]).toArray();
    return new Places(denseWidth, vectorWidth, end - first, at);
  }

  public boolean unified() {
    return tokenAt.length > 0;
  }

  public int rows() {
    return rows;
  }

  public int denseWidth() {
    return denseWidth;
  }

  public int vectorWidth() {
    return vectorWidth;
  }

  /** Real tokens of a text. */
  public int tokens(int row) {
    return tokenAt[row + 1] - tokenAt[row];
  }

  /** Token vectors of a text. */
  public int vectors(int row) {
    return Math.max(0, tokens(row) - 1);
  }

  /** The first float of a text's dense embedding; of row {@code rows()}: how many there are. */
  public int dense(int row) {
    return Math.multiplyExact(row, denseWidth);
  }

  /** The first of a text's lexical weights. */
  public int lexical(int row) {
    return tokenAt.length == 0 ? 0 : tokenAt[row];
  }

  /** The number of a text's first token vector; texts have at least one token. */
  public int vector(int row) {
    return tokenAt.length == 0 ? 0 : tokenAt[row] - row;
  }

  /** The first float of a text's token vectors. */
  public int vectorFloat(int row) {
    return Math.multiplyExact(vector(row), vectorWidth);
  }
}
