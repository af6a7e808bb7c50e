package org.dunlin.protocol.batch;

import java.util.Arrays;

/**
 * What every member must know of a step before its embeddings are gathered.
 *
 * <p>Queries are numbered through the global batch, slot by slot; passage {@code p} belongs to
 * query {@code p / groupSize} and is its positive where {@code p % groupSize == 0}.
 *
 * @param step from 0
 * @param epoch from 0
 * @param groupSize passages of each query
 * @param firstQuery {@code [slots + 1]}: slot s holds queries {@code firstQuery[s]} to {@code
 *     firstQuery[s + 1] - 1}; equal bounds mean an empty slot
 * @param sampleIds {@code [queries]}: rows of the training data, counted through all files
 * @param passageHashes {@code [queries * groupSize]}: equal texts have equal hashes
 * @param passageTokens {@code [queries * groupSize]}: real tokens of each passage, special ones
 *     included; empty where no head but the dense one needs them
 * @param teacherScores {@code [queries * groupSize]}: raw scores, or empty where there are none
 * @param inBatchNegatives whether other queries' passages are negatives too; else only the own
 *     group's
 * @param firstQueryOfPool {@code [pools + 1]}: pool p holds queries {@code firstQueryOfPool[p]} to
 *     {@code firstQueryOfPool[p + 1] - 1}, at least one. A query meets the passages of its own pool
 *     only, and each pool weighs alike
 * @param tokens real tokens of the batch
 * @param paddedTokens the same with what padding costs, in tokens' worth of work
 */
public record StepHeader(
    long step,
    int epoch,
    int groupSize,
    int[] firstQuery,
    long[] sampleIds,
    long[] passageHashes,
    int[] passageTokens,
    float[] teacherScores,
    boolean inBatchNegatives,
    int[] firstQueryOfPool,
    long tokens,
    long paddedTokens)
    implements FeedItem {

  public StepHeader {
    int queries = firstQuery[firstQuery.length - 1];
    if (sampleIds.length != queries || passageHashes.length != queries * groupSize) {
      throw new IllegalArgumentException(
          "step %d: %d sample ids and %d hashes (expected: %d and %d)"
              .formatted(
                  step, sampleIds.length, passageHashes.length, queries, queries * groupSize));
    }
    none(step, "passage lengths", passageTokens.length, queries * groupSize);
    none(step, "teacher scores", teacherScores.length, queries * groupSize);
    int pools = firstQueryOfPool.length - 1;
    boolean ascends = pools >= 1 && firstQueryOfPool[0] == 0;
    for (int pool = 0; ascends && pool < pools; pool++) {
      ascends = firstQueryOfPool[pool] < firstQueryOfPool[pool + 1];
    }
    if (!ascends || firstQueryOfPool[pools] != queries) {
      throw new IllegalArgumentException(
          "step %d: pools begin at queries %s (expected: ascending from 0 to %d)"
              .formatted(step, Arrays.toString(firstQueryOfPool), queries));
    }
  }

  /** Of one pool with in-batch negatives and without a teacher. */
  public StepHeader(
      long step,
      int epoch,
      int groupSize,
      int[] firstQuery,
      long[] sampleIds,
      long[] passageHashes,
      long tokens,
      long paddedTokens) {
    this(
        step,
        epoch,
        groupSize,
        firstQuery,
        sampleIds,
        passageHashes,
        new int[0],
        new float[0],
        true,
        new int[] {0, firstQuery[firstQuery.length - 1]},
        tokens,
        paddedTokens);
  }

  private static void none(long step, String what, int found, int all) {
    if (found != 0 && found != all) {
      throw new IllegalArgumentException(
          "step %d: %d %s (expected: 0 or %d)".formatted(step, found, what, all));
    }
  }

  /** The same step at another cost. */
  public StepHeader withPaddedTokens(long cost) {
    return new StepHeader(
        step,
        epoch,
        groupSize,
        firstQuery,
        sampleIds,
        passageHashes,
        passageTokens,
        teacherScores,
        inBatchNegatives,
        firstQueryOfPool,
        tokens,
        cost);
  }

  /** How many pools of negatives there are. */
  public int pools() {
    return firstQueryOfPool.length - 1;
  }

  /** The pool of a query. */
  public int poolOf(int query) {
    int at = Arrays.binarySearch(firstQueryOfPool, query);
    return at >= 0 ? at : -at - 2;
  }

  /** Number of slots, empty ones included. */
  public int slots() {
    return firstQuery.length - 1;
  }

  /** Queries of the global batch. */
  public int queries() {
    return firstQuery[slots()];
  }

  /** Passages of the global batch. */
  public int passages() {
    return queries() * groupSize;
  }

  /** Whether the plan gave this slot nothing; it is then absent from every sum. */
  public boolean isEmpty(int slot) {
    return firstQuery[slot] == firstQuery[slot + 1];
  }
}
