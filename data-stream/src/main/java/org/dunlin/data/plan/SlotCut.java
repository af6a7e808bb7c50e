package org.dunlin.data.plan;

/** Cuts a global batch into its slots. */
public final class SlotCut {
  private SlotCut() {}

  /**
   * Contiguous runs of queries, as even as possible. The first ones take one more where it does not
   * divide; with fewer queries than slots the last ones stay empty.
   *
   * @return {@code [slots + 1]}: slot s holds queries {@code [s]} to {@code [s + 1] - 1}
   */
  public static int[] firstQueries(int queries, int slots) {
    int[] first = new int[slots + 1];
    for (int slot = 0; slot < slots; slot++) {
      first[slot + 1] = first[slot] + queries / slots + (slot < queries % slots ? 1 : 0);
    }
    return first;
  }
}
